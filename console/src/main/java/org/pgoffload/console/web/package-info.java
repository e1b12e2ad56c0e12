/// What all pages share: routes, sessions, the frame around a page, headers and files.
///
/// Start reading at [Page], then [ServePages] and [Guard].
@NullMarked
package org.pgoffload.console.web;

import org.jspecify.annotations.NullMarked;
