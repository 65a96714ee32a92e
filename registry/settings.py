"""Where things are and what holds on this machine: options, then environment, then ``config.toml``, then defaults."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from msgspec import Struct, structs

from registry.errors import InvalidValue, RegistryError, Unusable

FORMATS = ("table", "json")
_PROGRAM = "token-registry"
_KEYS = {
    "url": "TOKEN_REGISTRY_URL",
    "identity": "TOKEN_REGISTRY_IDENTITY",
    "passphrase_file": "TOKEN_REGISTRY_PASSPHRASE_FILE",
    "format": "TOKEN_REGISTRY_FORMAT",
}
_HOME = "TOKEN_REGISTRY_HOME"


class Setting(Struct, frozen=True):
    """A setting's value and where it comes from: ``option``, ``environment``, ``config`` or ``default``."""

    value: str
    source: str

    def __repr__(self) -> str:
        return f"Setting({without_password(self.value)!r}, {self.source!r})"


class Settings(Struct, frozen=True):
    """Everything about this machine that the registry needs to know, each with its source."""

    home: Setting | None
    url: Setting
    identity: Setting
    passphrase_file: Setting | None
    format: Setting
    state: Setting
    config: Setting

    def store_path(self) -> Path:
        """Return the file of an SQLite store; ``InvalidValue`` for a URL of any other form."""
        return sqlite_path(self.url.value)

    def same_store(self, other: "Settings") -> bool:
        """Return whether both name the same store, each from its own folder; ``InvalidValue`` if one names none."""
        if is_postgresql(self.url.value) or is_postgresql(other.url.value):
            return self.url.value == other.url.value
        return self.store_path() == other.store_path()

    def effective(self) -> dict[str, Setting]:
        """Return the settings by name, the ones that are not set left out."""
        named = {
            "home": self.home,
            "config": self.config,
            "url": structs.replace(self.url, value=without_password(self.url.value)),
            "identity": self.identity,
            "passphrase_file": self.passphrase_file,
            "state": self.state,
            "format": self.format,
        }
        return {name: setting for name, setting in named.items() if setting is not None}


def is_postgresql(url: str) -> bool:
    """Return whether a URL is that of a store in PostgreSQL."""
    return url.partition("://")[0] in {"postgresql", "postgres"}


def without_password(url: str) -> str:
    """Return a URL as it may be shown: of a server's, what cannot be a part of a password, however it was written."""
    scheme, found, rest = url.partition("://")
    if not found or scheme == "sqlite":
        return url
    place, _, parameters = rest.partition("?")
    server = place.rpartition("@")[2]
    if "@" in parameters or "#" in url or place.count("@") > 1 or (place != server and "/" in place[: -len(server)]):
        return f"{scheme}://***"
    shown = [one for one in parameters.split("&") if one.startswith(("schema=", "prepare="))]
    return f"{scheme}://{server}{'?' if shown else ''}{'&'.join(shown)}"


def sqlite_path(url: str) -> Path:
    """Return the absolute path in ``sqlite:///relative`` or ``sqlite:////absolute``, as SQLAlchemy writes them."""
    scheme, found, rest = url.partition("://")
    path = unquote(rest.removeprefix("/"))
    if scheme != "sqlite" or not found or not rest.startswith("/") or not path or "\x00" in path:
        raise InvalidValue(
            f"{without_password(url)!r} is not the URL of a store",
            "write sqlite:///relative, sqlite:////absolute or postgresql://host/database?schema=name",
        )
    return Path(path).absolute()


def load_settings(
    options: Mapping[str, str | None] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings in force.

    ``options`` may hold ``home``, ``url``, ``identity``, ``passphrase_file`` and ``format``; ``environ`` stands for
    ``os.environ``. Raises ``InvalidValue`` for a value that cannot be right, ``Unusable`` for an unreadable config.
    """
    options = {name: value for name, value in (options or {}).items() if value}
    environ = os.environ if environ is None else environ
    home = _home(options, environ)
    places = _default_places(home)
    config_path = places["config"]
    config = _read_config(config_path)

    def setting(name: str, default: str | None) -> Setting | None:
        if name in options:
            return Setting(options[name] or "", "option")
        if environ.get(_KEYS[name]):
            return Setting(environ[_KEYS[name]], "environment")
        if name in config:
            return Setting(config[name], "config")
        return None if default is None else Setting(default, "default")

    def required(name: str, default: str) -> Setting:
        return setting(name, default) or Setting(default, "default")

    output = required("format", "table")
    if output.value not in FORMATS:
        raise InvalidValue(f"the format cannot be {output.value!r}", f"it is one of: {', '.join(FORMATS)}")
    return Settings(
        home=home,
        url=required("url", f"sqlite:///{places['store']}"),
        identity=_absolute(required("identity", str(places["identity"]))),
        passphrase_file=setting("passphrase_file", None),
        format=output,
        state=Setting(str(places["state"]), home.source if home else "default"),
        config=Setting(str(config_path), home.source if home else "default"),
    )


def _absolute(setting: Setting) -> Setting:
    return Setting(str(Path(setting.value).expanduser().absolute()), setting.source)


def _home(options: Mapping[str, str | None], environ: Mapping[str, str]) -> Setting | None:
    if value := options.get("home"):
        return _absolute(Setting(value, "option"))
    if value := environ.get(_HOME):
        return _absolute(Setting(value, "environment"))
    return None


def _default_places(home: Setting | None) -> dict[str, Path]:
    if home:
        root = Path(home.value)
        return {
            "config": root / "config.toml",
            "identity": root / "identity",
            "store": root / "registry.db",
            "state": root / "state",
        }
    import platformdirs  # noqa: PLC0415 - not on the start-up path where a home is set

    config = Path(platformdirs.user_config_dir(_PROGRAM))
    return {
        "config": config / "config.toml",
        "identity": config / "identity",
        "store": Path(platformdirs.user_data_dir(_PROGRAM)) / "registry.db",
        "state": Path(platformdirs.user_state_dir(_PROGRAM)),
    }


def _read_config(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
        import tomllib  # noqa: PLC0415 - most machines have no such file, and it slows down every start

        loaded = tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise Unusable(f"the configuration {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise _bad_config(path, str(error)) from None
    for name, value in loaded.items():
        if name not in _KEYS:
            raise _bad_config(path, f"there is no setting {name!r}; there are {', '.join(_KEYS)}")
        if not isinstance(value, str):
            raise _bad_config(path, f"{name} is not a text")
    return loaded


def _bad_config(path: Path, what: str) -> RegistryError:
    return InvalidValue(f"the configuration {path} is not right: {what}", "mend it or move it away")


def remember_url(settings: Settings) -> bool:
    """Write the store's URL into the configuration if that is what the next command needs; return whether it was."""
    path = Path(settings.config.value)
    if settings.url.source in {"config", "default", "environment"} or "url" in _read_config(path):
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        url = settings.url.value  # an option, which holds no password
        if not is_postgresql(url):
            # What was relative to the folder of this command must not be so to that of the next.
            url = f"sqlite:///{str(settings.store_path()).replace('%', '%25')}"
        url.encode()
        with path.open("a", encoding="utf-8") as file:
            file.write(f'{_fresh_line(path)}url = "{_toml(url)}"\n')
    except UnicodeEncodeError:
        return False  # a configuration is text, and this path is not
    except OSError as error:
        raise Unusable(f"the configuration {path} cannot be written: {error.strerror}") from None
    return True


def _fresh_line(path: Path) -> str:
    return "" if path.read_bytes()[-1:] in {b"", b"\n"} else "\n"


def _toml(text: str) -> str:
    return "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in text)
