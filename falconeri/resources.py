"""Where the files that are not Python lie: in the installed wheel, or in the checkout.

Any module may import this one; it knows nothing but the layout of the package.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def sql_root() -> Path:
    """Return the folder with `migrations/`, `functions/`, `views/` and `roles/`.

    Raises:
        FileNotFoundError: The installation lacks it.
    """
    return _find("sql")


def deploy_root() -> Path:
    """Return the folder with the Dockerfile, the manifests and the worker bundle's build.

    Raises:
        FileNotFoundError: The installation lacks it.
    """
    return _find("deploy")


def _find(name: str) -> Path:
    for parent in (_PACKAGE, _PACKAGE.parent):
        if (folder := parent / name).is_dir():
            return folder
    msg = f"this installation of falconeri lacks its {name} folder: {_PACKAGE / name}"
    raise FileNotFoundError(msg)
