"""Root file systems of other Linux systems, and a way to run a program in one as a pod does.

Made of Debian's packages of another release than this machine's, and of gcc: a musl system, for
example, is Debian's package of musl. Kept in `.bundle/` of the checkout.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
NAMES = ("empty", "busybox", "musl", "debian")
HOSTILE_LINE = "hostile library loaded"

_PACKAGES = ("busybox-static", "dash", "libc6", "musl", "musl-dev")
_TOP = ("dev", "etc/falconeri/secrets", "falconeri", "hostile", "pfs", "proc", "scratch")
_USER = "1000:1000"
_LIMIT_S = 120

_MOUNT_AND_RUN = """
root=$1 bundle=$2 secrets=$3 user=$4
shift 4
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --bind /dev/null "$root/dev/null"
mount --bind "$bundle" "$root/falconeri"
mount -o remount,bind,ro "$root/falconeri"
mount --bind "$secrets" "$root/etc/falconeri/secrets"
for directory in pfs scratch; do
  mount -t tmpfs -o "mode=0700,uid=${user%:*},gid=${user#*:}" tmpfs "$root/$directory"
done
exec chroot --userspec="$user" --groups= "$root" "$@"
"""


def what_is_missing() -> str | None:
    """Say why no image can be made or entered on this machine."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root of a Linux machine can mount and chroot"
    programs = ("apt-get", "chroot", "dpkg-deb", "gcc", "mount", "tar", "unshare")
    if missing := [name for name in programs if not shutil.which(name)]:
        return f"there is no {missing[0]}"
    argv = ["unshare", "--mount", "--pid", "--fork", "true"]
    tried = subprocess.run(argv, check=False, capture_output=True)
    return f"unshare: {tried.stderr.decode().strip()}" if tried.returncode else None


def make_all(to: Path) -> None:
    """Make the images as directories `to/NAME`."""
    work = to / ".work"
    packages = _unpacked(work, "trixie" if _release() != "trixie" else "bookworm")
    _compile(packages, work)
    for name in NAMES:
        root = to / name
        for directory in _TOP:
            (root / directory).mkdir(parents=True, exist_ok=True)
        (root / "dev" / "null").touch()
        _add_hostilities(root, work)
    shutil.copy(work / "static", to / "empty" / "program")
    _copy(packages / "busybox-static", to / "busybox", "bin")
    (to / "busybox" / "bin" / "sh").symlink_to("busybox")
    _copy(packages / "musl", to / "musl", "lib")
    shutil.copy(work / "dynamic", to / "musl" / "program")
    for package in ("libc6", "dash"):
        _copy(packages / package, to / "debian", "")
    shutil.rmtree(work)


def command(name: str, given: str) -> list[str]:
    """What copies `given` to /pfs/out/copy and writes its environment to /pfs/out/environment."""
    if name in ("empty", "musl"):
        return ["/program", given, "/pfs/out/copy", "/pfs/out/environment"]
    if name == "busybox":
        script = "busybox env >/pfs/out/environment && busybox cat $1 >/pfs/out/copy && echo done"
        return ["/bin/sh", "-c", script, "sh", given]
    script = (
        "export -p >/pfs/out/environment; while read -r line; do echo $line; done "
        "<$1 >/pfs/out/copy; echo done"
    )
    return ["/usr/bin/dash", "-c", script, "sh", given]


def run_in(
    root: Path, bundle: Path, secrets: Path, argv: Sequence[str], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program of an image to its end: read-only, as a user without a name, in two minutes."""
    # In a process tree of its own, which ends with its first process, and that with this one.
    begin = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--"]
    begin += ["/bin/sh", "-euc", _MOUNT_AND_RUN, "sh", str(root), str(bundle), str(secrets), _USER]
    return subprocess.run(
        [*begin, *argv],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )


def _add_hostilities(root: Path, work: Path) -> None:
    """Whatever of an image could reach into the bundle, to the worst effect."""
    hostile = root / "hostile"
    shutil.copy(work / "hostile.so", hostile / "preload.so")
    (root / "etc" / "ld.so.preload").write_text("/hostile/preload.so\n")
    # A module of the image's libc for names of hosts, where a loader looks by default.
    (root / "etc" / "nsswitch.conf").write_text("hosts: hostile files dns\n")
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    (root / "usr" / "lib").mkdir(parents=True)
    shutil.copy(work / "hostile.so", root / "usr" / "lib" / "libnss_hostile.so.2")
    for library in ("libcrypto.so.3", "libssl.so.3", "libz.so.1", "libffi.so.8"):
        (hostile / library).write_text("not a library\n")
    for module in ("falconeri_worker", "sitecustomize", "encodings", "os"):
        (hostile / f"{module}.py").write_text("raise SystemExit('hostile module imported')\n")
    (hostile / "openssl.cnf").write_text("openssl_conf = none\n[none\n")


HOSTILE_ENVIRONMENT = {
    "LD_PRELOAD": "/hostile/preload.so",
    "LD_LIBRARY_PATH": "/hostile",
    "GLIBC_TUNABLES": "glibc.malloc.check=3",
    "PYTHONPATH": "/hostile",
    "PYTHONHOME": "/hostile",
    "PYTHONSTARTUP": "/hostile/os.py",
    "SSL_CERT_FILE": "/hostile/none.pem",
    "SSL_CERT_DIR": "/hostile",
    "SSLKEYLOGFILE": "/hostile/none/keys",
    "REQUESTS_CA_BUNDLE": "/hostile/none.pem",
    "OPENSSL_CONF": "/hostile/openssl.cnf",
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "cpp",
    "LANG": "xx_XX.KOI8-R",
    "LC_ALL": "xx_XX.KOI8-R",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
}


def _release() -> str:
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def _unpacked(work: Path, release: str) -> Path:
    """Download the packages with the machine's own apt, mirror and keys, and unpack each."""
    state = work / "apt"
    for directory in ("lists/partial", "cache/archives/partial"):
        (state / directory).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb {_keys()}{_mirror()} {release} main\n")
    options = [
        f"Dir::State={state}",
        f"Dir::State::status={state}/status",
        f"Dir::State::lists={state}/lists",
        f"Dir::Cache={state}/cache",
        f"Dir::Etc::sourcelist={state}/sources.list",
        "Dir::Etc::sourceparts=/dev/null",
        "APT::Sandbox::User=root",
        "Acquire::Languages=none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
        "Acquire::Retries=3",
    ]
    apt_get = ["apt-get", "-qq", *(f"-o{option}" for option in options)]
    _run([*apt_get, "update"])
    _run([*apt_get, "download", *_PACKAGES], cwd=state)
    unpacked = work / "packages"
    for package in _PACKAGES:
        (file,) = state.glob(f"{package}_*.deb")
        (unpacked / package).mkdir(parents=True)
        _run(["dpkg-deb", "-x", str(file), str(unpacked / package)])
    return unpacked


def _mirror() -> str:
    """The mirror that this machine's own packages come from."""
    chosen = ["Created-By: Packages", "Origin: Debian", "Component: main"]
    sites = _run(["apt-get", "indextargets", "--format", "$(SITE)", *chosen]).split()
    return sites[0] if sites else "http://deb.debian.org/debian"


def _keys() -> str:
    keys = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    return f"[signed-by={keys}] " if keys.exists() else ""


def _compile(packages: Path, work: Path) -> None:
    """Compile the program for musl, linked in both ways, and the hostile library."""
    (library,) = (packages / "musl-dev").glob("usr/lib/*-linux-musl")
    (loader,) = (packages / "musl").rglob("ld-musl-*.so.1")
    (libc,) = (packages / "musl").rglob("libc.so")
    (headers,) = (packages / "musl-dev").glob("usr/include/*-linux-musl")
    begin = [str(library / name) for name in ("crt1.o", "crti.o")]
    source, end = str(HERE / "program.c"), str(library / "crtn.o")
    gcc = ["gcc", "-Os", "-no-pie", "-fno-pie", "-nostdlib", "-nostdinc", "-isystem", str(headers)]
    static = ["-static", *begin, source, str(library / "libc.a"), "-lgcc", end]
    _run([*gcc, *static, "-o", str(work / "static")])
    linked = [f"-Wl,-dynamic-linker,/lib/{loader.name}", f"-L{libc.parent}", "-l:libc.so"]
    _run([*gcc, *begin, source, *linked, end, "-o", str(work / "dynamic")])
    shared = ["-shared", "-fPIC", "-nostdlib", str(HERE / "hostile.c")]
    _run(["gcc", *shared, "-o", str(work / "hostile.so")])


def _copy(package: Path, root: Path, folder: str) -> None:
    """Copy what a package has in a top folder, where `/lib` and `/usr/lib` are one."""
    for top in ("bin", "lib", "lib64", "sbin"):
        if folder in ("", top) and (package / top).is_dir():
            _merge(package / top, root / "usr" / top)
        if folder in ("", top) and (package / "usr" / top).is_dir():
            _merge(package / "usr" / top, root / "usr" / top)
        if (root / "usr" / top).is_dir() and not (root / top).exists():
            (root / top).symlink_to(f"usr/{top}")


def _merge(source: Path, to: Path) -> None:
    shutil.copytree(source, to, symlinks=True, dirs_exist_ok=True)


def _run(argv: Sequence[str], *, cwd: Path | None = None) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(
        argv, cwd=cwd, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{' '.join(argv)}:\n{done.stderr}"
    return done.stdout
