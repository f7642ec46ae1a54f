/* Which host names fail in more than one case, and how? */
SELECT h.server_name AS server_name, h.outcome AS outcome, COUNT(*) AS cases, SUM(h.records) AS records
FROM (
    SELECT bundle, server_name, outcome, COUNT(*) AS records
    FROM timeline
    WHERE server_name IS NOT NULL AND outcome IN ('failure', 'timeout', 'reset', 'refused')
    GROUP BY bundle, server_name, outcome
) AS h
GROUP BY h.server_name, h.outcome
HAVING COUNT(*) > 1
ORDER BY server_name, outcome
