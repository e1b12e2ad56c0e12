-- A publication of all tables refuses an UPDATE or DELETE of a row that nothing identifies.
alter table pgoffload.maintained_count replica identity full;
alter table pgoffload.maintained_unseen replica identity full;
