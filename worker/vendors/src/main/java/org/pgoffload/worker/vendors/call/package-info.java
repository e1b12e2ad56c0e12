/// One call to a vendor over HTTP, alike for all that answer a POST of JSON.
@NullMarked
package org.pgoffload.worker.vendors.call;

import org.jspecify.annotations.NullMarked;
