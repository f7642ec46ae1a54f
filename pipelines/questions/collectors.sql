/* Which collection tools made the cases, and how often is a part of a case damaged, unreadable or missing? */
SELECT c.collector AS collector, COUNT(*) AS cases, SUM(c.incomplete) AS incomplete, SUM(c.damaged) AS damaged, SUM(c.unreadable) AS unreadable,
    SUM(c.missing) AS missing
FROM (
    SELECT COALESCE(collector, 'plain') AS collector,
        CASE WHEN status = 'partial' THEN 1 ELSE 0 END AS incomplete,
        CASE WHEN members_partial > 0 THEN 1 ELSE 0 END AS damaged,
        CASE WHEN members_failed > 0 THEN 1 ELSE 0 END AS unreadable,
        CASE WHEN members_missing > 0 THEN 1 ELSE 0 END AS missing
    FROM bundles
) AS c
GROUP BY c.collector
ORDER BY collector
