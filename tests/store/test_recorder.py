"""The recorder under the commits keeps to the contract of ``eventsourcing``, by its own tests."""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from eventsourcing.tests.persistence import ApplicationRecorderTestCase

from registry.store.recorder import CommitDatastore, CommitRecorder


class TestCommitRecorder(ApplicationRecorderTestCase[CommitRecorder]):
    """``eventsourcing``'s own test case, against a file."""

    @pytest.fixture(autouse=True)
    def _folder(self):
        with TemporaryDirectory() as folder:
            self.path = Path(folder) / "recorder.db"
            self.path.touch()
            yield

    @staticmethod
    def _close(datastore: CommitDatastore) -> None:
        # The test case tells its readers to stop but does not wait for them; a closed connection would crash them.
        for thread in threading.enumerate():
            if "read_continuously" in thread.name:
                thread.join()
        datastore.close()

    def create_recorder(self) -> CommitRecorder:
        """Return a recorder on an empty file."""
        datastore = CommitDatastore(self.path, originator_id_type="uuid")
        self.addCleanup(self._close, datastore)
        recorder = CommitRecorder(datastore)
        recorder.create_table()
        return recorder
