/// The list of requests, of both kinds in one, and the page of one request.
///
/// Start reading at [RequestsPage], then [FindRequests].
@NullMarked
package org.pgoffload.console.requests;

import org.jspecify.annotations.NullMarked;
