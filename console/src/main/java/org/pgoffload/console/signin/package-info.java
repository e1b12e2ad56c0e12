/// Who is signed in: roles of PostgreSQL, whose passwords the server itself checks, and which are
/// kept in memory alone.
///
/// Start reading at [SignIn], then [Sessions].
@NullMarked
package org.pgoffload.console.signin;

import org.jspecify.annotations.NullMarked;
