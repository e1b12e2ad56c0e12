package org.pgoffload.console.maintained;

import java.util.List;

/// All maintained columns that the role may see.
public record MaintainedColumns(List<MaintainedColumn> columns) {}
