/// The console: pages for those who run the system and for those who ask it.
///
/// Start reading at [ConsoleApp], then [org.pgoffload.console.web.Page].
///
/// **A page** is one class and one template:
/// 1. A package for its subject, as [org.pgoffload.console.requests], with a class that implements
///    [org.pgoffload.console.web.Page]: its entry in the navigation, and its routes. It knows `web`
///    and `database`, and no other page's package.
/// 2. A look (`get`) asks [org.pgoffload.console.database.RoleDatabase#look] and returns a
///    [org.pgoffload.console.web.View]: the template's name, a title, and the model, a public
///    record with what the template shows. An action (`post`) asks
///    [org.pgoffload.console.database.RoleDatabase#act] and returns a
///    [org.pgoffload.console.web.Next]. Faults are thrown: a [org.pgoffload.console.web.Problem],
///    or the `SQLException` as it is.
/// 3. A template in `src/main/jte` that calls `@template.layout(layout, content)`. It escapes by
///    itself; `$unsafe` is not used. A form has the hidden field `token` (`tag/token.jte`). No
///    script and no style stands in a page: `console.js` and `console.css` have both, and htmx's
///    attributes do the rest. A page works without scripts, times are `tag/time.jte`.
/// 4. Its line in [ConsoleApp].
/// 5. A test over HTTP, as `RequestsPageTest`.
@NullMarked
package org.pgoffload.console;

import org.jspecify.annotations.NullMarked;
