pgbench: error: could not open file "ext.sql": No such file or directory
