/// A stub of the model vendors over real HTTP, for the tests of this module and of others. It needs
/// nothing but the JDK and Jackson. It refuses what the vendors do not document, in their own
/// words.
///
/// Start at [VendorStub].
@NullMarked
package org.pgoffload.dev.testkit.vendors;

import org.jspecify.annotations.NullMarked;
