-- What was launched at once has no row before a worker has read it: Kafka alone knows of it where no worker executes SQL.
insert into pgoffload.setting (name, value, description) values
  ('unread_sql', '0',
   'How many requests for SQL wait in Kafka while no worker executes any; set by pgoffload maintain, for llm_health.');
