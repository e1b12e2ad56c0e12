# Sourced by mvnw and pgoffload. Sets JAVA_HOME to the first JDK of version 25 or newer, so that a
# machine whose default java is older needs no preparation. Works with `set -f` and in any POSIX shell.

pgoffload_jdk_version() { # the major version of the JDK in directory $1, or nothing
  [ -x "$1/bin/javac" ] && [ -f "$1/release" ] || return 0
  sed -n 's/^JAVA_VERSION="\{0,1\}\([0-9]*\).*/\1/p' "$1/release" | head -n 1
}

pgoffload_find_jdk() {
  pgoffload_candidates=${JAVA_HOME:-}
  pgoffload_javac=$(command -v javac 2>/dev/null) && {
    # javac on the path is usually a chain of links; its real place is two directories above
    pgoffload_javac=$(readlink -f "$pgoffload_javac" 2>/dev/null || echo "$pgoffload_javac")
    pgoffload_candidates="$pgoffload_candidates
${pgoffload_javac%/bin/javac}"
  }
  case $- in *f*) pgoffload_noglob=1 ;; *) pgoffload_noglob= ;; esac
  set +f
  for pgoffload_dir in /usr/lib/jvm/*25* /usr/lib/jvm/* "${SDKMAN_DIR:-$HOME/.sdkman}"/candidates/java/* \
    "$HOME"/.jdks/* /Library/Java/JavaVirtualMachines/*/Contents/Home /opt/java/openjdk /opt/jdk*; do
    pgoffload_candidates="$pgoffload_candidates
$pgoffload_dir"
  done
  [ -z "$pgoffload_noglob" ] || set -f
  pgoffload_old_ifs=$IFS
  IFS='
'
  for pgoffload_dir in $pgoffload_candidates; do
    pgoffload_version=$(pgoffload_jdk_version "$pgoffload_dir")
    if [ "${pgoffload_version:-0}" -ge 25 ] 2>/dev/null; then
      IFS=$pgoffload_old_ifs
      JAVA_HOME=$pgoffload_dir
      export JAVA_HOME
      return 0
    fi
  done
  IFS=$pgoffload_old_ifs
  echo "pgoffload needs a JDK of version 25 or newer, and found none." >&2
  echo "Looked at JAVA_HOME, javac on the PATH, /usr/lib/jvm, SDKMAN, ~/.jdks, /Library/Java and /opt." >&2
  echo "Install one (Debian and Ubuntu: a package such as temurin-25-jdk or openjdk-25-jdk; SDKMAN:" >&2
  echo "'sdk install java 25-tem') or set JAVA_HOME to it." >&2
  return 1
}

pgoffload_find_jdk
