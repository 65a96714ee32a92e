"""``python -m cli`` is ``token-registry``."""

from cli.main import run

if __name__ == "__main__":
    run()
