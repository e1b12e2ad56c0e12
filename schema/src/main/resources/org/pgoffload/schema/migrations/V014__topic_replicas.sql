-- Kafka alone knows how the topics are replicated; maintain tells the database, for llm_health.
insert into pgoffload.setting (name, value, description) values
  ('topic_replicas', '',
   'What the check replicas of llm_health says, as JSON; set by pgoffload maintain.');
