/* How far is each case's clock from the servers it talked to (median, in milliseconds; positive: the server is ahead), and does the
   rule on clocks stand? */
SELECT b.bundle AS bundle, COALESCE(b.hosts, '') AS hosts, b.clock_offset_ms AS clock_offset_ms, COALESCE(f.confidence, '') AS finding
FROM bundles AS b
LEFT JOIN (
    SELECT bundle, MIN(confidence) AS confidence
    FROM findings
    WHERE rule_id = 'TIME-01' AND status = 'active'
    GROUP BY bundle
) AS f ON b.bundle = f.bundle
WHERE b.clock_offset_ms IS NOT NULL OR f.confidence IS NOT NULL
ORDER BY bundle
