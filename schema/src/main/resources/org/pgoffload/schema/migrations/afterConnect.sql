-- Waiting for a lock must not queue the application behind the installer for long.
set lock_timeout = '10s';
-- What the sessions of every part execute first.
${first_statement};
