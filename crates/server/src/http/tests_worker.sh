#!/bin/sh
# Says what a worker of the vault says, for the tests of the API.
read order
rules='{"keep_last":3,"keep_hourly":0,"keep_daily":14,"keep_weekly":8,"keep_monthly":12,"keep_yearly":5,"lock_days":14,"locked":false}'
case "$order" in
*'"kind":"make"'*) answer='{"log_key":"spandrel.vault/1+ab"}' ;;
*'"kind":"overview"'*) answer='{"log_key":"spandrel.vault/1+ab","entries":2,"root":null,"checkpoint_at":null,"witnesses":[],"violations":0,"bytes":9,"objects":3,"rules":'$rules',"people":[],"requests":[],"weaker":[{"number":7,"rules":'$rules',"by":"anna","from":null}],"withdrawn":[{"id":"WITHDRAWN","time":"2026-01-01T00:00:00Z","asset":"mill","files":1,"bytes":7,"deleted_at":"2026-02-01T00:00:00Z","until":"2026-02-08T00:00:00Z","here":true}],"targets":[{"address":"s3:https://store/plant","mode":"compliance","tried_at":"2026-02-01T00:00:00Z","copied_at":"2026-02-01T00:00:00Z","entries":2,"snapshots":1,"objects":12,"bytes":9,"locked_until":"2026-03-01T00:00:00Z","held":false,"covered":["log/checkpoint"],"missing":[],"gone":[],"notes":[],"error":null}],"snapshots":[{"id":"SNAPSHOT","time":"2026-01-01T00:00:00Z","asset":"press","sources":["files:/x"],"state":"complete","files":1,"bytes":7,"retain_until":null,"holds":[],"verified_at":null,"logged":true}]}' ;;
*'files:/broken'*) answer='{"snapshot":null,"state":"partial","entries_stored":0,"bytes_read":0,"bytes_stored":0,"errors":[{"source":"files:/broken","path":"/broken","error":"permission denied"}]}' ;;
*'"kind":"backup"'*) answer='{"snapshot":"SNAPSHOT","state":"complete","entries_stored":1,"bytes_read":7,"bytes_stored":5,"errors":[]}' ;;
*'"kind":"undelete"'*) answer='{"snapshot":"WITHDRAWN","until":"2026-03-01T00:00:00Z"}' ;;
*'"kind":"verify"'*) answer='{"level":2,"files":1,"bytes":7,"errors":[]}' ;;
*) echo '{"says":"failed","why":"not in this test"}'; exit 1 ;;
esac
echo '{"says":"done","answer":'$answer'}'
