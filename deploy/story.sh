#!/bin/sh
# The story of the README on containers: docker-compose.yml as it is, in a project of its own, scaled to
# three workers, one of them killed under load, PostgreSQL and Kafka restarted, and nothing left at the
# end. Needs Docker with compose 2.24 or newer, and nothing else. About five minutes.
#
#   deploy/story.sh            # --keep leaves everything running for a look
set -eu
cd "$(dirname "$0")/.."
export COMPOSE_PROJECT_NAME=pgoffload-story
export PGOFFLOAD_TASKS_SUBNET=${PGOFFLOAD_TASKS_SUBNET:-10.213.78.0/24}
export PGOFFLOAD_POSTGRES_PORT=${PGOFFLOAD_POSTGRES_PORT:-55433}
# echo, whatever keys the shell has; slow, and few calls at a time, so that a kill finds calls that run
export LLM_PROVIDER=echo LLM_ECHO_DELAY=500ms LLM_MAX_CONCURRENCY=60
REQUESTS=${REQUESTS:-6000}
keep=${1:-}

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf '\nFAILED: %s\n' "$*" >&2
  docker compose ps -a >&2
  docker compose logs --no-color --tail 30 producer worker results install >&2
  exit 1
}
app() { docker compose exec -T postgres psql -X -q -A -t -v ON_ERROR_STOP=1 -U app -d app "$@"; }
is() { # what is expected, what is
  [ "$1" = "$2" ] || fail "expected '$1', got '$2'"
  echo "   $2"
}
finish() {
  status=$?
  [ -n "$keep" ] || docker compose down -v --timeout 20 >/dev/null 2>&1 || true
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

docker compose down -v >/dev/null 2>&1 # what --keep has left
say "one command"
docker compose --progress quiet up -d --wait --quiet-pull || fail "docker compose up"
docker compose ps -a

say "INSERT ... returning, llm_wait, llm_status, llm_result"
id=$(app -c "insert into llm_request (prompt) values ('Why is the sky blue?') returning id")
is "$id|succeeded" "$(app -c "select * from llm_wait(array[$id], '60 s')")"
is succeeded "$(app -c "select llm_status($id)")"
is "[echo, no model] Why is the sky blue?" "$(app -c "select llm_result($id)")"

say "llm_ask in one statement, and in an open transaction that is rolled back"
is "[echo, no model] What is WAL?" "$(app -c "select llm_ask('What is WAL?')")"
is "[echo, no model] inside" "$(app <<'SQL'
begin;
select llm_ask('inside');
rollback;
SQL
)"
is 1 "$(app -c "select count(*) from llm_request where prompt = 'inside'")"

say "a background launch, and its rows"
is "app|42" "$(app -c "select * from pg_background_result(pg_background_launch('select current_user, 42')) as (u name, n int)")"
is "SELECT 1" "$(app -c "select * from pg_background_result(pg_background_launch('create table app.note as select 1 as n')) as (tag text)")"
app -c "drop table app.note" >/dev/null

say "the application role by password from outside, encrypted; the worker's network asks for certificates"
password=$(docker compose exec -T postgres cat /run/pgoffload/app_password)
is "app|t" "$(docker compose exec -T -e PGPASSWORD="$password" postgres psql -X -q -A -t \
  "host=postgres dbname=app user=app sslmode=verify-full sslrootcert=/run/pgoffload/authority.crt" \
  -c "select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()")"
if docker compose exec -T -e PGPASSWORD="$password" postgres psql -X "host=postgres.tasks dbname=app user=app" -c "select 1" >/dev/null 2>&1; then
  fail "a password was enough on the workers' network"
fi

say "three workers"
docker compose --progress quiet up -d --wait --no-recreate --scale worker=3 || fail "scaling"
is 3 "$(app -c "select count(*) from llm_worker where alive")"

say "$REQUESTS requests; one worker is killed in the middle"
app -c "create unlogged table app.load as with sent as (insert into llm_request (prompt)
  select 'load ' || g from generate_series(1, $REQUESTS) g returning id, prompt) select * from sent"
# of a fiftieth of them, so that counting does not outlast the work
answered() { app -c "select 50 * count(*) from app.load where split_part(prompt, ' ', 2)::int % 50 = 0 and llm_status(id) not in ('queued', 'running')"; }
n=0
while [ "$(answered)" -lt $((REQUESTS / 10)) ]; do
  n=$((n + 1)); [ $n -lt 120 ] || fail "no request was answered"
  sleep 0.5
done
victim=$(docker compose ps -q worker | head -n 1)
before=$(answered)
docker kill "$victim" >/dev/null
echo "   killed after about $before answers"
[ "$before" -lt "$REQUESTS" ] || fail "everything was answered before the kill: raise REQUESTS"
is "$REQUESTS succeeded" "$(app -c "select count(*) || ' ' || status from llm_wait((select array_agg(id) from app.load), '180 s') group by status")"
is "$REQUESTS" "$(app -c "select count(*) from app.load where llm_result(id) = '[echo, no model] ' || prompt")"
echo "   made again, because the killed worker had begun them: $(app -c "select count(*) from app.load l, llm_response(l.id) r where r.attempts > 1")"

say "usage is counted once, whoever made the calls"
n=0
until [ "$(app -c "select coalesce(sum(requests), 0) >= $REQUESTS from llm_usage")" = t ]; do
  n=$((n + 1)); [ $n -lt 60 ] || fail "usage was not counted: $(app -c "select sum(requests) from llm_usage")"
  sleep 1
done
echo "   $(app -c "select sum(requests) from llm_usage")"

say "downstream: each answer is on the topic once, or again with the same id"
docker compose exec -T kafka /opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 \
  --topic pgoffload.results --from-beginning --timeout-ms 8000 2>/dev/null |
  sed -n 's/.*"id":\([0-9]*\),"kind":"ask".*/\1/p' | sort -u | wc -l | tr -d ' ' >/tmp/pgoffload-story.$$ || true
read -r seen </tmp/pgoffload-story.$$; rm -f /tmp/pgoffload-story.$$
is $((REQUESTS + 3)) "$seen"

for service in postgres kafka; do
  say "restart of $service, with requests before and after"
  early=$(app -c "insert into llm_request (prompt) select 'before $service' from generate_series(1, 50) returning id" | tail -n 1)
  docker compose restart "$service"
  docker compose up -d --wait --no-recreate --scale worker=3 >/dev/null 2>&1 || fail "not healthy after the restart of $service"
  is "$early|succeeded" "$(app -c "select * from llm_wait(array[$early], '90 s')")"
  is "[echo, no model] after $service" "$(app -c "select llm_ask('after $service', timeout => '60 s')")"
  is 7 "$(app -c "select * from pg_background_result(pg_background_launch('select 7')) as (n int)")"
done

say "up again changes nothing; health"
docker compose up -d --wait --no-recreate --scale worker=3 >/dev/null 2>&1 || fail "up again"
docker compose exec -T postgres psql -X -U postgres -d app -c "select * from llm_health"

if [ -n "$keep" ]; then
  say "left running: docker compose -p $COMPOSE_PROJECT_NAME down -v"
  exit 0
fi
say "down -v leaves nothing"
docker compose down -v --timeout 30 2>/dev/null
left=$(for what in "ps -aq" "volume ls -q" "network ls -q"; do
  # shellcheck disable=SC2086
  docker $what --filter label=com.docker.compose.project=$COMPOSE_PROJECT_NAME
done)
is "" "$left"
say "the whole story was told"
