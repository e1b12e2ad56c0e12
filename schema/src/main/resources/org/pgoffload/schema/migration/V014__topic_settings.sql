-- What llm_health says of the topics, which the database cannot ask.
insert into pgoffload.setting (name, value, description) values
  ('topic_faults', '',
   'Settings of topics by which requests or results can be lost; set by pgoffload install and maintain.')
on conflict (name) do nothing;
