# The parts of pgoffload: `docker run pgoffload worker`. docs/docker.md says how to run it.
#   docker build --build-arg COMMIT=$(git rev-parse --short=12 HEAD) -t pgoffload .

# A Java runtime of what is needed: the modules that `jdeps --print-module-deps` names for lib (without
# those of Javassist's debugger), and what is looked for by name: java.naming (certificates, Kafka),
# jdk.zipfs (Flyway); besides jdk.jcmd and jdk.jfr, to look into a part that runs.
FROM eclipse-temurin:25-jdk AS runtime
RUN jlink --add-modules java.base,java.compiler,java.desktop,java.instrument,java.logging,java.management,java.naming,java.net.http,java.rmi,java.security.jgss,java.security.sasl,java.sql,java.xml,jdk.httpserver,jdk.jcmd,jdk.jfr,jdk.management,jdk.net,jdk.security.auth,jdk.security.jgss,jdk.unsupported,jdk.zipfs \
      --strip-java-debug-attributes --no-header-files --no-man-pages --compress zip-6 --output /opt/jre \
# the JDK's own classes from an archive: half of a command's start
 && /opt/jre/bin/java -Xshare:dump

FROM maven:3-eclipse-temurin-25 AS build
WORKDIR /src
COPY . .
ARG COMMIT=
# The release archive. Tests and checks belong to ./mvnw verify, which needs servers; the repository
# of libraries is kept between builds.
RUN --mount=type=cache,target=/root/.m2 \
    mvn --batch-mode --no-transfer-progress -Prelease -Dquick -DskipTests \
      ${COMMIT:+-Dgit.commit.id.abbrev=$COMMIT} -pl dev/launcher -am package \
 && mkdir /opt/pgoffload \
 && tar -xzf dev/launcher/target/pgoffload-*.tar.gz -C /opt/pgoffload --strip-components=1
# What the parts do not need: servers of one's own, and the docs.
RUN rm -rf /opt/pgoffload/lib/local /opt/pgoffload/docs /opt/pgoffload/connect /opt/pgoffload/*.md \
# RocksDB's libraries for other systems than this one: 60 MB.
 && cd /tmp && mkdir rocksdb && cd rocksdb && jar -xf /opt/pgoffload/lib/rocksdbjni-*.jar \
 && case $(uname -m) in aarch64) keep=librocksdbjni-linux-aarch64.so ;; *) keep=librocksdbjni-linux64.so ;; esac \
 && find . -maxdepth 1 -name 'librocksdbjni*' ! -name "$keep" -delete \
 && jar -cfM /opt/pgoffload/lib/rocksdbjni-*.jar . \
 && cd / && rm -r /tmp/rocksdb
COPY deploy/jvm.options /opt/pgoffload/
COPY deploy/healthcheck /opt/pgoffload/bin/

FROM debian:trixie-slim
ARG VERSION=0.1.0
ARG COMMIT=
LABEL org.opencontainers.image.title="pgoffload" \
      org.opencontainers.image.description="LLM calls and background SQL from plain PostgreSQL, through Kafka" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
# Certificates of the authorities that providers' certificates are signed by are the JDK's own.
COPY --from=runtime /opt/jre /opt/java
COPY --from=build /opt/pgoffload /opt/pgoffload
# Numeric, so that an orchestrator sees that it is not root. The directory is for Kafka Streams' files.
RUN install -d -o 10001 -g 10001 -m 0750 /var/lib/pgoffload
USER 10001:10001
ENV JAVA_HOME=/opt/java \
    PATH=/opt/pgoffload/bin:/opt/java/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    HOME=/tmp \
    PGOFFLOAD_STATE_DIR=/var/lib/pgoffload \
    PGOFFLOAD_MANAGEMENT_ADDRESS=0.0.0.0:9464
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=10s --start-period=240s --retries=6 CMD ["/opt/pgoffload/bin/healthcheck"]
ENTRYPOINT ["/opt/pgoffload/bin/pgoffload"]
CMD ["--help"]
