-- Calls each public function at least once, as the role app. Statements end with a semicolon at the end of a line.
select set_config('test.ask', llm_submit('Hello')::text, false);
select * from llm_wait(array[current_setting('test.ask')::bigint], '60 s');
select llm_status(current_setting('test.ask')::bigint), llm_result(current_setting('test.ask')::bigint);
select * from llm_response(current_setting('test.ask')::bigint);
select llm_provider();
select llm_ask_json('json', '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false}') ->> 'city';
select * from llm_ask_many(array['one', 'two']);
select llm_if('json?', 'json'), llm_classify('json', array['a']), llm_classify_many('json', array['a']);
select llm_extract('json', '{"a": "text"}'), llm_score('json', 'c');
select * from llm_rank('json', array['d']);
select llm_summarize(t), llm_summarize(t, 'i'), llm_summarize(t, 'i', '{}') from (values ('a')) v (t);
select * from llm_map('select 1 as n', 'p{n}') as (n integer, answer text, error text);
select llm_embed('one text');
select * from llm_embed(array['one', 'two']);
select set_config('test.embed', id::text, false) from (select max(id) as id from llm_request where kind = 'embed') e;
select * from llm_embeddings(current_setting('test.embed')::bigint);
select llm_ask('Write', options => '{"stream": true}');
select * from llm_stream(current_setting('test.ask')::bigint);
select * from request_why(current_setting('test.ask')::bigint);
select llm_cancel(current_setting('test.ask')::bigint);
select llm_retry(current_setting('test.ask')::bigint);
select * from llm_queue, llm_worker, llm_usage, llm_health, sql_queue limit 1;
select * from pgoffload_paused;

with asked as (insert into sql_request (command) values ('select 1 as one') returning id)
select set_config('test.sql', id::text, false) from asked;
select * from llm_wait(array[current_setting('test.sql')::bigint], '60 s');
select sql_status(current_setting('test.sql')::bigint), sql_result(current_setting('test.sql')::bigint);
select * from sql_rows(current_setting('test.sql')::bigint) as (one integer);
select sql_rows_json(current_setting('test.sql')::bigint);
select sql_cancel(current_setting('test.sql')::bigint);

select * from pg_background_result(pg_background_launch('select 1')) as (one integer);
select pg_background_detach(pg_background_launch('select 1'));
select * from pg_background_launch_v2('select 1') h, pg_background_result_v2(h.pid, h.cookie) as (one integer);
select pg_background_wait_v2(h.pid, h.cookie), pg_background_detach_v2(h.pid, h.cookie)
from pg_background_submit_v2('select pg_background_progress(50, ''half'')') h;
select set_config('test.pid', pid::text, false), set_config('test.cookie', cookie::text, false)
from pg_background_launch_v2('select pg_background_progress(50, ''half'')') h;
select pg_background_wait_v2_timeout(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint, 60000);
select pg_background_get_progress_v2(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint),
       pg_background_result_info_v2(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint),
       pg_background_error_info_v2(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint),
       pg_background_outcome_v2(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint),
       pg_background_status_v2(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint),
       pg_background_full_sql_v2(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint);
select * from pg_background_list_v2() as (pid integer, cookie bigint, launched_at timestamptz, user_id oid, queue_size integer, state text, sql_preview text, last_error text, consumed boolean);
select pg_background_stats_v2(), pg_background_purge_v2();
select pg_background_cancel_v2(h.pid, h.cookie) from pg_background_launch_v2('select pg_sleep(60)') h;
select pg_background_cancel_v2_grace(h.pid, h.cookie, 1000) from pg_background_launch_v2('select pg_sleep(60)') h;
select pg_background_run_v2('select 1');
select pg_background_drain_v2(array[pg_background_launch_v2('select 1')]);
select pg_background_wait_any_v2(array[pg_background_launch_v2('select 1')], 60000);
select pg_background_cancel_by_label_v2('none%');
select pg_background_cancel_all_v2(), pg_background_detach_all_v2();

select * from pg_background_launch('select 1', 0, 'one') h, pg_background_result(h.pid, h.cookie) as (one integer);
select set_config('test.pid', pid::text, false), set_config('test.cookie', cookie::text, false)
from pg_background_submit('select pg_background_report_progress(50, ''half'')') h;
select pg_background_wait(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint, 60000);
select pg_background_get_progress(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint),
       pg_background_result_info(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint),
       pg_background_error_info(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint),
       pg_background_outcome(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint),
       pg_background_full_sql(current_setting('test.pid')::integer, current_setting('test.cookie')::bigint);
select * from pg_background_list() as (pid integer, cookie bigint, launched_at timestamptz, user_id oid, queue_size integer, state text, sql_preview text, last_error text, consumed boolean, label text);
select pg_background_stats(), pg_background_purge();
select pg_background_detach(h.pid, h.cookie) from pg_background_submit('select 1') h;
select pg_background_cancel(h.pid, h.cookie, 1000) from pg_background_submit('select pg_sleep(60)') h;
select pg_background_run('select 1');
select * from pg_background_run_query('select 1 as one') as (one integer);
select * from pg_background_run_query_v2('select 1 as one') as (one integer);
select pg_background_drain(array[pg_background_submit('select 1')]);
select pg_background_wait_any(array[pg_background_submit('select 1')], 60000);
select pg_background_cancel_by_label('none%');
select pg_background_cancel_all(), pg_background_detach_all();

create table note (id bigint primary key, body text, gist text);
select llm_maintain('note_gist', source => 'note', target => 'gist', ask => 'Sum up: {body}');
select name, status from llm_maintained;
select llm_maintain_pause('note_gist'), llm_maintain_resume('note_gist'), llm_maintain_retry('note_gist'), llm_maintain_backfill('note_gist');
select * from llm_maintain_failed('note_gist');
select llm_maintain_drop('note_gist');
drop table note;
