package org.pgoffload.console.signin;

import org.pgoffload.console.database.RoleDatabase;

/// What the server said of a role that it has let in.
record Login(RoleDatabase database, RoleRights rights) {}
