-- Who may do what. Applied again after each change of another file, because PostgreSQL gives PUBLIC the right to execute
-- a function that is made anew. All migrations of one run are one transaction, so that no session ever has this right.
-- The files: ${content}, pg_background_api ${pg_background_api}.

grant usage on schema ${public_schema} to llm_user, pgbackground_role;
grant usage on schema pgoffload to llm_user, pgbackground_role, pgoffload_worker, pgoffload_results, pgoffload_producer;

-- Tables and views. Columns that are stamped are not insertable: requested_by, created_at and others come from their
-- defaults. Only the owner reads the token of a claim.

grant usage on sequence pgoffload.request_id to llm_user, pgbackground_role;
grant insert (kind, prompt, system, messages, model, options, timeout, ordering_key, tags, provider, response_schema, inputs, retry_of)
  on ${public_schema}.llm_request to llm_user;
grant insert (command, label, timeout, ordering_key, tags) on ${public_schema}.sql_request to pgbackground_role;
grant insert (id, by_oid, by_caller) on pgoffload.cancellation to llm_user;
-- llm_wait waits for requests of both kinds
grant select on ${public_schema}.llm_request, ${public_schema}.sql_request, pgoffload.llm_result, pgoffload.sql_result,
  pgoffload.sql_chunk, pgoffload.sql_rows, pgoffload.sql_session, pgoffload.worker, pgoffload.setting, pgoffload.capture_break, pgoffload.id_range,
  ${public_schema}.llm_health to llm_user, pgbackground_role;
grant select (id, attempt, worker, epoch, requested_by_oid, claimed_at) on pgoffload.claim to llm_user, pgbackground_role;
grant select on pgoffload.llm_piece, pgoffload.reranker, pgoffload.llm_usage_minute, pgoffload.llm_price,
  ${public_schema}.llm_queue, ${public_schema}.llm_worker, ${public_schema}.llm_usage to llm_user;
grant select on pgoffload.sql_progress, pgoffload.forwarded_setting, pgoffload.recorded_task, pgoffload.task,
  ${public_schema}.sql_queue, ${public_schema}.pg_background_list, ${public_schema}.pg_background_activity to pgbackground_role;
grant select on pgoffload.installation, pgoffload.setting to pgoffload_worker;

-- Private functions. The functions that are not named are their owner's.

grant execute on function
  pgoffload.answer_schema, pgoffload.as_written, pgoffload.ask_all, pgoffload.ask_llm, pgoffload.ask_value,
  pgoffload.await_mapped, pgoffload.await_sent, pgoffload.await_success, pgoffload.cancel_unanswered, pgoffload.cost_of, pgoffload.cost_of_calls,
  pgoffload.failure_of, pgoffload.fields_schema, pgoffload.fill_template, pgoffload.give_up_at,
  pgoffload.add_text(text, text, text, jsonb), pgoffload.is_blank, pgoffload.json_answer, pgoffload.labels_schema, pgoffload.map_statements, pgoffload.mapped_columns,
  pgoffload.or_null, pgoffload.pack_documents, pgoffload.pack_texts, pgoffload.parse_template, pgoffload.positive_setting, pgoffload.price_at, pgoffload.qualified_name,
  pgoffload.raise_llm_failure, pgoffload.refuse_answer_type, pgoffload.require_text, pgoffload.rerank_documents, pgoffload.send_prompts,
  pgoffload.succeeded_llm, pgoffload.summarize(text[], text, jsonb), pgoffload.type_schema
  to llm_user;
grant execute on function
  pgoffload.accepted_timeline, pgoffload.await_llm, pgoffload.await_recording, pgoffload.count_ended, pgoffload.handle_of, pgoffload.has_all_chunks,
  pgoffload.health, pgoffload.is_launched_here, pgoffload.is_pooled, pgoffload.kept, pgoffload.may_be_on_its_way,
  pgoffload.is_running, pgoffload.pause, pgoffload.pause_polling, pgoffload.pause_polling_until, pgoffload.polling_pause, pgoffload.queue_depth,
  pgoffload.raise_if_lost, pgoffload.raise_unknown_request, pgoffload.recent_from, pgoffload.refuse_to_wait_on_old_snapshot,
  pgoffload.remember_ms, pgoffload.remembered_ms,
  pgoffload.request_id_at, pgoffload.request_status, pgoffload.request_window, pgoffload.session_key, pgoffload.setting_of, pgoffload.sql_outcome, pgoffload.why_of, pgoffload.why_unrecorded,
  pgoffload.worker_is_alive
  to llm_user, pgbackground_role;
grant execute on function
  pgoffload.attach, pgoffload.attached_handles, pgoffload.await_outcome, pgoffload.await_run, pgoffload.await_sql,
  pgoffload.begin_sql_session, pgoffload.begin_task, pgoffload.cast_rows, pgoffload.columns_hint, pgoffload.complete_sql,
  pgoffload.current_task, pgoffload.enter_task,
  pgoffload.finish_run, pgoffload.finish_task, pgoffload.integer_setting, pgoffload.keep, pgoffload.known, pgoffload.large_rows,
  pgoffload.last_progress, pgoffload.leave, pgoffload.leave_task, pgoffload.login_oid, pgoffload.may_be_launched, pgoffload.may_be_visible,
  pgoffload.memberships,
  pgoffload.parse_worker_timeout, pgoffload.pid_of, pgoffload.raise_notice, pgoffload.raise_notices,
  pgoffload.raise_task_error, pgoffload.raise_task_failure, pgoffload.record_task_session,
  pgoffload.refuse_results_of_submitted, pgoffload.resolve,
  pgoffload.result_types, pgoffload.role_of_task, pgoffload.rows_as_json_query, pgoffload.rows_outcome,
  pgoffload.rows_query, pgoffload.session_settings, pgoffload.settings_to_apply, pgoffload.stored_rows_query,
  pgoffload.unrecorded_tasks, pgoffload.with_declared_modifier
  to pgbackground_role;
grant execute on function
  pgoffload.answered_llm, pgoffload.begin_autocommit, pgoffload.begin_to_repeat, pgoffload.cancel_llm, pgoffload.cancel_llm_requests,
  pgoffload.claim_llm, pgoffload.claim_llm_requests, pgoffload.claim_llm_since, pgoffload.claim_sql, pgoffload.claim_sql_again,
  pgoffload.claim_sql_since,
  pgoffload.claim_sql_requests, pgoffload.consult_cache, pgoffload.end_sql, pgoffload.end_sql_attempt, pgoffload.end_stalled_claims,
  pgoffload.is_copy, pgoffload.is_taken_over, pgoffload.known_results, pgoffload.live_workers, pgoffload.mark_autocommit, pgoffload.pid_of,
  pgoffload.positions_at_begin, pgoffload.positions_of, pgoffload.positions_to_repeat, pgoffload.prepare_timeline, pgoffload.record_cancellations,
  pgoffload.record_kafka_loss, pgoffload.record_llm_requests, pgoffload.record_positions,
  pgoffload.record_positions_since, pgoffload.record_progress, pgoffload.record_sql_requests, pgoffload.record_wait, pgoffload.register_worker, pgoffload.register_worker_anew,
  pgoffload.release_lease,
  pgoffload.renew_lease, pgoffload.server_identity, pgoffload.sessions_gone, pgoffload.signing_keys, pgoffload.sql_result_message, pgoffload.still_claimed,
  pgoffload.stalled_claims, pgoffload.store_rows, pgoffload.sweep_large_answers, pgoffload.tell_reranker,
  pgoffload.worker_is_alive
  to pgoffload_worker;
grant execute on function
  pgoffload.begin_to_repeat, pgoffload.end_withdrawal, pgoffload.is_copy, pgoffload.keep_unclaimed_results,
  pgoffload.positions_at_begin, pgoffload.positions_to_repeat, pgoffload.prepare_timeline, pgoffload.record_kafka_loss,
  pgoffload.record_positions_since, pgoffload.results_to_withdraw, pgoffload.server_identity, pgoffload.take_results,
  pgoffload.write_back, pgoffload.write_messages, pgoffload.write_results
  to pgoffload_results;
grant execute on function
  pgoffload.begin_timeline, pgoffload.end_sweep, pgoffload.failover_permitted_lag, pgoffload.health, pgoffload.is_copy,
  pgoffload.is_repeated, pgoffload.next_sweep, pgoffload.prepare_timeline, pgoffload.require_primary,
  pgoffload.send_again, pgoffload.server_identity, pgoffload.slot_health, pgoffload.slot_is_past
  to pgoffload_producer;
-- aggregates
grant execute on routine pgoffload.emit_llm_request, pgoffload.emit_llm_prompts to llm_user;
grant execute on routine pgoffload.emit_command to llm_user, pgbackground_role;
grant execute on routine pgoffload.emit_sql_request, pgoffload.read_large_answer to pgbackground_role;

-- Maintained columns. The functions login_oid and session_settings stamp also the declaration of a role that may launch
-- nothing, which is then told why.
grant select on ${public_schema}.llm_maintained, pgoffload.maintained_failure, pgoffload.maintained_pace, pgoffload.forwarded_setting,
  pgoffload.budget_used, pgoffload.model_pace to llm_user;
grant execute on function
  pgoffload.has_trigger, pgoffload.login_oid, pgoffload.maintained_obstacle, pgoffload.make_trigger,
  pgoffload.raise_unknown_maintained, pgoffload.session_settings
  to llm_user;
grant execute on routine pgoffload.command_maintained, pgoffload.declare_maintained to llm_user;
-- the trigger's function does nothing on a table that is not declared
grant execute on function pgoffload.ask_maintained to llm_user;
-- what a task of a maintained column does
grant execute on function
  pgoffload.answers_to_apply, pgoffload.apply_maintained, pgoffload.ask_walked, pgoffload.begin_apply, pgoffload.begin_walk,
  pgoffload.chunks_to_apply, pgoffload.forget_maintained, pgoffload.maintained_hash, pgoffload.record_applied, pgoffload.walk_maintained, pgoffload.write_answers
  to pgbackground_role;
grant execute on function pgoffload.step_maintained to pgoffload_results;

-- Operators, and what is paused. Who acts is stamped: those columns are not insertable.
grant usage on schema ${public_schema}, pgoffload to pgoffload_operator;
grant select on pgoffload.action, pgoffload.pause, ${public_schema}.pgoffload_paused to llm_user, pgbackground_role, pgoffload_operator;
grant insert (what, ids, names, detail) on pgoffload.action to llm_user, pgbackground_role, pgoffload_operator;
grant insert (model, provider, role_oid, reason), delete on pgoffload.pause to pgoffload_operator;
grant select on ${public_schema}.llm_health, ${public_schema}.llm_worker, pgoffload.worker, pgoffload.reranker, pgoffload.setting,
  pgoffload.model_pace to pgoffload_operator;
grant execute on function pgoffload.worker_is_alive to pgoffload_operator;
grant execute on function pgoffload.health, pgoffload.queue_depth, pgoffload.require_model_or_provider to pgoffload_operator;
grant execute on function pgoffload.is_operator, pgoffload.note_action to llm_user, pgbackground_role, pgoffload_operator;
grant select on pgoffload.settled_letter to pgoffload_operator;
grant execute on function pgoffload.settle_letter, pgoffload.note_letter, pgoffload.replay_letter, pgoffload.discard_letter to pgoffload_operator;
grant execute on function pgoffload.current_pauses to pgoffload_worker;

-- All functions of ours are taken from PUBLIC: those that the files make, which the installer lists, because users may
-- have functions of the same names in the public schema. Ours there are granted by their prefix; the functions that
-- grant and revoke pgbackground_role are their owner's.
do $$
declare
  made record;
begin
  for made in
    select p.oid::regprocedure as signature,
           case when p.pronamespace = 'pgoffload'::regnamespace then null
                when p.proname in ('llm_status', 'llm_wait', 'sql_status', 'request_why') then 'llm_user, pgbackground_role'
                when p.proname ~ '^llm_' then 'llm_user'
                when p.proname ~ '^pgoffload_' then 'pgoffload_operator'
                when p.proname ~ '^(sql|pg_background)_' and p.proname !~ '_(privileges|executor_role)$' then 'pgbackground_role'
           end as grantees
    from pg_catalog.pg_proc p
    where p.oid = any (array[${own_functions}]::regprocedure[])
  loop
    execute pg_catalog.format('revoke all on function %s from public', made.signature);
    if made.grantees is not null then
      execute pg_catalog.format('grant execute on function %s to %s', made.signature, made.grantees);
    end if;
  end loop;
end
$$;

-- Row types. A user's table with a column of one of our row types would keep ours from being changed or dropped.
-- Functions and PL/pgSQL variables of these types need no right to run. The types of pg_background are for users'
-- functions and tables.
do $$
declare
  ours record;
begin
  for ours in
      select t.oid::regtype as type, c.relkind = 'c' and t.typnamespace = '${public_schema}'::regnamespace as is_public
      from pg_catalog.pg_type t
      join pg_catalog.pg_class c on c.oid = t.typrelid
      where t.typtype = 'c'
        and (t.typnamespace = 'pgoffload'::regnamespace
             or c.oid in ('${public_schema}.llm_request'::regclass, '${public_schema}.sql_request'::regclass)
             or c.relkind = 'c' and t.typnamespace = '${public_schema}'::regnamespace and t.typname ~ '^pg_background_')
        and pg_catalog.has_type_privilege('public', t.oid, 'usage') loop
    execute pg_catalog.format('revoke usage on type %s from public', ours.type);
    if ours.is_public then
      execute pg_catalog.format('grant usage on type %s to pgbackground_role', ours.type);
    end if;
  end loop;
end
$$;
