pgbench: error: could not open file "off.sql": No such file or directory
