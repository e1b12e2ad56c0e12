# Installs the browser of the tests, where the machine is Debian's and this is root.
set -e
[ "$(id -u)" = 0 ]
command -v apt-get
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium chromium-driver
