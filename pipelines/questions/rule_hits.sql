/* In how many cases did each rule stand, and in how many was it a cause that nothing else explains? By day of the case. */
SELECT b.day AS day, f.rule_id AS rule_id, COUNT(*) AS cases, SUM(f.cause) AS causes
FROM (
    SELECT bundle, rule_id,
        MAX(CASE WHEN COALESCE(consequence_of, '') = '' AND confidence IN ('proved', 'likely') AND severity <> 'info' THEN 1 ELSE 0 END) AS cause
    FROM findings
    WHERE status = 'active'
    GROUP BY bundle, rule_id
) AS f
JOIN (SELECT bundle, COALESCE(SUBSTR(CAST(last_ts AS STRING), 1, 10), '') AS day FROM bundles) AS b ON f.bundle = b.bundle
GROUP BY b.day, f.rule_id
ORDER BY day, rule_id
