/* What is the cause of each case: standing findings that nothing else explains, and the tenant if the case names just one. */
SELECT DISTINCT bundle, rule_id, COALESCE(subject, '') AS subject, COALESCE(tenant_id, '') AS tenant_id
FROM findings
WHERE status = 'active' AND COALESCE(consequence_of, '') = '' AND confidence IN ('proved', 'likely') AND severity <> 'info'
ORDER BY bundle, rule_id, subject, tenant_id
