"""Real databases for tests: a SQLite file, and a throwaway PostgreSQL cluster on a socket of its own.

A test that asks for ``store``, ``engine`` or ``database_url`` runs once on each. Where no PostgreSQL server program is found, the
second run is skipped with a sentence; in CI (environment variable CI) that is a failure. LIENTHONG_TEST_POSTGRES_URL names a
server to use instead; the user in it must be allowed to create databases.
"""

import contextlib
import fcntl
import gc
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import alone  # noqa: F401 - before anything that loads aiohttp
import psycopg
import pytest
import statements
from clusters import end_with_parent, postgres_binaries, reachable
from hypothesis import HealthCheck, settings
from hypothesis.internal import constants_ast
from hypothesis.internal.conjecture import providers
from patience import PATIENCE_S, eventually
from psycopg import sql

from gateway.store import Store, open_engine, upgrade

# `make test` tries the same examples every time, so that it says of a change what it said before; `make properties` tries others.
settings.register_profile(
    "short", max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", settings.get_profile("short"), max_examples=1000, derandomize=False)
settings.load_profile("deep" if os.environ.get("LIENTHONG_DEEP") else "short")
# Hypothesis draws from the constants of all modules that are loaded: what it tries in a worker would depend on which tests that
# worker had before, and each worker would read all our sources for it, three seconds of CPU.
assert callable(providers._get_local_constants), "Hypothesis keeps its constants elsewhere now"
if not os.environ.get("LIENTHONG_DEEP"):
    providers._get_local_constants = constants_ast.Constants

statements.share()

# Whoever collects makes ten thousand things that stay: looking for garbage among them is a sixth of collecting.
gc.disable()


def pytest_collection_finish(session):
    """What has been collected stays to the end and is never garbage."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """What shares processes comes first: xdist's workers take from each other from the end, and half a module is a second node."""
    items.sort(key=lambda item: item.get_closest_marker("together") is None)


_numbers = itertools.count(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config, specs):
    """Has new test files compiled once, before every worker does it for itself: their assertions cost 18 s of CPU to rewrite."""
    if sys.dont_write_bytecode:
        return
    asked = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    files = {file for path in asked for file in ([path] if path.is_file() else path.rglob("test_*.py"))}
    new = sorted(filter(_is_new, files), key=lambda path: path.stat().st_size)
    count = max(1, min(len(specs), os.cpu_count() or 1))
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-n0", "-p", "no:cacheprovider"]
    compiling = [
        subprocess.Popen(
            [*command, *new[part::count]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=config.rootpath
        )
        for part in range(count)
        if new[part::count]
    ]
    for process in compiling:  # whatever is wrong with a file, the workers say
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()


# Under this, nothing about a set-up or an end is worth saying: `--durations` names nothing below it either.
NOTICED_S = 0.005


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """A worker tells how each test went, and of its set-up and its end only what somebody reads: two thirds of what workers write
    and the other side reads are reports that all was well, a millisecond of CPU each.
    """
    if not hasattr(config, "workerinput") or config.getoption("xmlpath", None):  # a file for CI counts each of them
        return
    (worker,) = (one for one in config.pluginmanager.get_plugins() if type(one).__name__ == "WorkerInteractor")
    tell = worker.sendevent

    def sendevent(name, **told):
        if name != "testreport" or _says_something(told["data"]):
            tell(name, **told)

    worker.sendevent = sendevent


def _says_something(report):
    dull = report["when"] != "call" and report["outcome"] == "passed" and not report["sections"]
    return not dull or report["duration"] >= NOTICED_S


def _is_new(path):
    """Whether this test file has no compiled form yet, or one that is older."""
    made = [
        file.stat().st_mtime
        for file in path.parent.glob(f"__pycache__/{path.stem}.{sys.implementation.cache_tag}-pytest-*.pyc")
    ]
    return not made or max(made) < path.stat().st_mtime


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A folder that is made by the first worker that wants it, and that all of them only read: ``made_once("name", make)``."""
    own = tmp_path_factory.getbasetemp()
    common = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made_once(name, make):
        folder, made = common / f"once-{name}", common / f"once-{name}.made"
        with (common / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # whoever began it did not come to its end
                folder.mkdir()
                make(folder)
                made.touch()
        return folder

    return made_once


@pytest.fixture(scope="session")
def sqlite_template(made_once):
    """An upgraded database file, to be copied."""

    def make(folder):
        engine = open_engine(f"sqlite:///{folder / 'template.db'}")
        upgrade(engine)
        with engine.connect() as connection:  # everything into the one file that is copied
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
        engine.dispose()

    return made_once("sqlite", make) / "template.db"


@pytest.fixture
def sqlite_url(sqlite_template, tmp_path):
    """The URL of a fresh, upgraded SQLite database."""
    path = tmp_path / f"lienthong-{next(_numbers)}.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres(made_once):
    """A PostgreSQL server: makes and drops databases."""
    given = os.environ.get("LIENTHONG_TEST_POSTGRES_URL")
    if given:
        yield PostgresServer(given)
        return
    binaries = postgres_binaries()
    if binaries is None:
        sentence = "no PostgreSQL server program was found (initdb and postgres, on PATH or in /usr/lib/postgresql)"
        if os.environ.get("CI"):
            pytest.fail(f"{sentence}; CI must have one")
        pytest.skip(f"{sentence}; install one, or set LIENTHONG_TEST_POSTGRES_URL")
    with tempfile.TemporaryDirectory(prefix="lt-pg-", dir=reachable()) as folder:
        yield from _cluster(binaries, Path(folder), made_once)


@pytest.fixture(scope="session")
def postgres_template(postgres):
    """The name of an upgraded database, to be copied."""
    name = postgres.template or _template(postgres)
    postgres.take_note(name)
    yield name
    if name != postgres.template:
        postgres.drop(name)


def _template(server):
    name = server.create()
    engine = open_engine(server.url(name))
    upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture
def postgres_url(postgres, postgres_template):
    """The URL of an upgraded PostgreSQL database without a row: fresh, or emptied after the test before."""
    name = postgres.borrow(postgres_template)
    yield postgres.url(name)
    postgres.give_back(name)


BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=BOTH)
def database_url(request):
    """The URL of a fresh, upgraded database; on each kind in turn."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=BOTH)
def empty_database_url(request, tmp_path):
    """The URL of a database without any table; on each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def engine(database_url):
    """An engine on a fresh, upgraded database; on each kind in turn."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine):
    """A store on a fresh database; on each kind in turn."""
    return Store(engine)


@pytest.fixture
def sqlite_store(sqlite_url):
    """A store on a fresh SQLite file, for tests of what is above the store."""
    engine = open_engine(sqlite_url)
    yield Store(engine)
    engine.dispose()


# What an upgraded database is made of, rows left out: a test that changes any of it leaves a database that nobody takes again.
MADE_OF = """
SELECT md5(string_agg(what, '|' ORDER BY what)) FROM (
    SELECT concat_ws(' ', relname, relkind, reloptions) FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', attrelid::regclass, attname, atttypid, attnotnull, atthasdef, attisdropped)
        FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled, tgtype, tgfoid::regproc) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, contype, conkey, confkey) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', proname, md5(prosrc)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', setrole, setconfig) FROM pg_db_role_setting
        JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
    UNION ALL SELECT concat('revision ', version_num) FROM alembic_version
) AS everything (what)
"""
EMPTY = """
DO $$ DECLARE one record; filled boolean; BEGIN
    FOR one IN SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', one.relname) INTO filled;
        IF filled THEN EXECUTE format('DELETE FROM %I', one.relname); END IF;
    END LOOP;
    PERFORM setval(oid::regclass, 1, false) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S';
END $$
"""


class PostgresServer:
    """A server on which databases come and go."""

    def __init__(self, url, template=None):
        self.template = template  # the name of an upgraded database that is there already
        self._url = url.replace("postgresql+psycopg://", "postgresql://")
        self._empty = []  # names of upgraded databases without a row
        self._made_of = None

    def take_note(self, template):
        """Remembers what an upgraded database is made of."""
        with psycopg.connect(self.url(template)) as connection:
            ((self._made_of,),) = connection.execute(MADE_OF).fetchall()

    def borrow(self, template):
        """The name of an upgraded database without a row. Making one means some hundred files, ten times an emptying."""
        return self._empty.pop() if self._empty else self.create(template)

    def give_back(self, name):
        """Takes out all rows, whoever is still connected; removes the database where a test has changed what it is made of."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            try:
                connection.execute("SET session_replication_role = replica")  # what is append-only is emptied, too
                same = connection.execute(MADE_OF).fetchall() == [(self._made_of,)]
                if same:
                    connection.execute(EMPTY)
            except psycopg.Error:  # no alembic_version any more; or an account of the given server that may not do this
                same = False
        if same:
            self._empty.append(name)
        else:
            self.drop(name)

    def url(self, database):
        """The URL of one of its databases."""
        head, _, query = self._url.partition("?")
        scheme, _, rest = head.partition("://")
        authority = rest.partition("/")[0]
        return f"{scheme}://{authority}/{database}" + (f"?{query}" if query else "")

    def create(self, template="template0"):
        """Makes a database and gives its name."""
        name = f"lienthong_test_{os.getpid()}_{next(_numbers)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name):
        """Removes a database, whoever is still connected."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement):
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement)


def _cluster(binaries, folder, made_once):
    """A cluster in this folder, ended with the session, also when the session is killed."""
    account = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("postgres" if any(p.pw_name == "postgres" for p in pwd.getpwall()) else "nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def make(common):
        run = [binaries / "initdb", "-D", folder / "first", *("-U", "lienthong", "-A", "trust", "-E", "UTF8")]
        run += ["--no-locale", "--no-sync"]
        subprocess.run(run, check=True, capture_output=True, cwd=folder, **account)
        with _running(binaries, folder, folder / "first", account) as url:
            template = _template(PostgresServer(url))
        shutil.rmtree(common)
        _copied(folder / "first", common)
        (common / "template").write_text(template)

    common = made_once("postgresql", make)
    _copied(common, folder / "data")
    with _running(binaries, folder, folder / "data", account) as url:
        yield PostgresServer(url, (common / "template").read_text())


def _copied(folder, to):
    """Copied with the accounts that its files belong to."""
    subprocess.run(["cp", "-a", folder, to], check=True)


@contextlib.contextmanager
def _running(binaries, folder, data, account):
    """A server on this data; the address of its database `postgres`."""
    out = folder / "server.log"
    settings_ = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "fsync": "off",  # a test does not survive a power cut anyway
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "60",
        "shared_buffers": "32MB",
        "logging_collector": "off",
    }
    options = [part for name, value in settings_.items() for part in ("-c", f"{name}={value}")]
    with out.open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *options],
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=end_with_parent,
            **account,
        )
    url = f"postgresql://lienthong@/postgres?host={folder}"
    try:
        _await(url, server, out)
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown: connections are closed, nothing is waited for
        try:
            server.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await(url, server, out):
    def answers():
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            return server.poll() is not None
        return True

    if not eventually(answers) or server.poll() is not None:
        pytest.fail(f"PostgreSQL did not start: {out.read_text(errors='replace')[-2000:]}")
