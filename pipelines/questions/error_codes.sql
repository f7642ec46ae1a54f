/* Which error codes were seen on which day of a case, in how many cases, and in which one for example? */
SELECT b.day AS day, t.error_code AS error_code, MIN(t.symbol) AS symbol, MIN(t.bundle) AS example, COUNT(*) AS cases, SUM(t.records) AS records
FROM (
    SELECT bundle, error_code, MIN(error_symbol) AS symbol, COUNT(*) AS records
    FROM timeline
    WHERE error_code IS NOT NULL
    GROUP BY bundle, error_code
) AS t
JOIN (SELECT bundle, COALESCE(SUBSTR(CAST(last_ts AS STRING), 1, 10), '') AS day FROM bundles) AS b ON t.bundle = b.bundle
GROUP BY b.day, t.error_code
ORDER BY day, error_code
