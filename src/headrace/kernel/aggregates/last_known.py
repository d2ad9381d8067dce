"""last_known: the newest value that is not null."""

from dataclasses import replace

from headrace.kernel.aggregates import last

AGGREGATE = replace(last.AGGREGATE, name="last_known", sees_null=False)
