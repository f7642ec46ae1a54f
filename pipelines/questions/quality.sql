/* What is wrong with the collections themselves, and in how many cases? */
SELECT q.id AS id, MIN(q.title) AS title, COUNT(*) AS cases, SUM(q.remarks) AS remarks, MIN(q.bundle) AS example
FROM (SELECT bundle, id, MIN(title) AS title, COUNT(*) AS remarks FROM quality GROUP BY bundle, id) AS q
GROUP BY q.id
ORDER BY id
