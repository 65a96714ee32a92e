"""The names that others may rely on, and that each says what it is."""

import inspect
from importlib.resources import files

import pytest

import registry
from registry import providers, testing

PUBLIC = """
    Action AlreadyExists ApplicationView Asked CannotTell Changed Changes ClockBehind CommitChange Conflict
    ConsistencyProof Copied Departure Diagnosis EvidenceMember EvidenceQuery EvidenceReport ExportFormat
    ExportedEvidence Field FieldChange Finding Found FoundProblem HandedOut HistoryEntry HistoryQuery Identity
    IdentityFile IdentityMissing IdentityUnreadable Imported InclusionProof Initialised IntegrityError
    InvalidValue Invitation Joined KeyView KnownCheckpoint LastTest Level MemberView NewToken NotFound
    NotPermitted OnConflict Outcome OutcomeUnknown PinView Provider ProviderRejected ProviderUndecided
    PublicIdentity Registry RegistryError Resolved Restored RolledBack Secret Setting Settings SignedCheckpoint
    StoreBusy StoreMissing StoreMoved StoreUnreadable Surroundings TestResult TokenChange TokenEdit TokenView TokenWatch
    Unusable Usage Verdict Verification Wanted Whoami WrongPassphrase __version__ acknowledge_problem
    back_up_store copy_store diagnose init_registry join load_settings open_identity open_registry
    open_rolled_back parse_expiry parse_moment read_identity read_passphrase read_pin restore_store rfc3339
    store_grants verify_evidence verify_registry
""".split()  # noqa: SIM905 - one long list reads better without its quotes
OBJECTS = {name: getattr(registry, name) for name in PUBLIC if name != "__version__"}
CLASSES = {name: kind for name, kind in OBJECTS.items() if inspect.isclass(kind)}


def test_the_public_names_are_these():
    """A public name is added, renamed or removed on purpose."""
    assert sorted(registry.__all__) == sorted(PUBLIC)


def test_every_public_name_is_there():
    """Whatever is promised can be imported, and is listed by dir()."""
    assert all(hasattr(registry, name) for name in registry.__all__)
    assert set(registry.__all__) <= set(dir(registry))


def test_an_unknown_name_is_an_attribute_error():
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError):
        _ = registry.Tokenn


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_every_public_name_has_a_docstring(name):
    """Each public class and function says what it is."""
    assert inspect.getdoc(OBJECTS[name])
    assert OBJECTS[name].__doc__


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_public_method_has_a_docstring(name):
    """Each public method and property of a public class says what it does."""
    kind = CLASSES[name]
    silent = [
        member
        for member, value in vars(kind).items()
        if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod))
        if not inspect.getdoc(getattr(kind, member, None) if isinstance(value, classmethod) else value)
    ]
    assert silent == []


def test_what_a_registry_offers_is_documented():
    """What an open registry is made of offers only methods that say what they do."""
    for part in ("tokens", "applications", "members", "policies", "importing", "evidence"):
        kind = _part(part)
        public = [value for name, value in vars(kind).items() if not name.startswith("_") and inspect.isfunction(value)]
        assert public
        assert all(inspect.getdoc(value) for value in public), kind


def _part(name):
    from registry.service import applications, evidence, importing, members, policies, tokens  # noqa: PLC0415 - only to look at them

    return {
        "tokens": tokens.Tokens,
        "applications": applications.Applications,
        "members": members.Members,
        "policies": policies.Policies,
        "importing": importing.Importing,
        "evidence": evidence.Evidence,
    }[name]


def test_the_public_parts_are_these():
    """Beside the library itself, two of its packages are for others: providers and the stand-in."""
    assert sorted(providers.__all__) == ["load", "names"]
    assert testing.__doc__


def test_the_library_is_typed():
    """Type checkers of others see the annotations."""
    assert files("registry").joinpath("py.typed").is_file()
    assert files("cli").joinpath("py.typed").is_file()
