-- What one llm_summarize may ask.
insert into pgoffload.setting (name, value, description) values
  ('summary_call_size', '100000',
   'How many characters llm_summarize gives a model in one call.'),
  ('summary_max_calls', '100',
   'How many calls one llm_summarize may make; one that would take more is refused before any.');
