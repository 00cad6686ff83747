#!/bin/sh
# Says what a worker of the vault says, for the tests of the API.
read order
rules='{"keep_last":3,"keep_hourly":0,"keep_daily":14,"keep_weekly":8,"keep_monthly":12,"keep_yearly":5,"lock_days":14,"locked":false}'
case "$order" in
*'"kind":"make"'*) answer='{"log_key":"spandrel.vault/1+ab"}' ;;
*'"kind":"overview"'*) answer='{"log_key":"spandrel.vault/1+ab","entries":2,"root":null,"checkpoint_at":null,"witnesses":[],"violations":0,"fenced":{"site":"site-b","log":"l","at":"2026-03-10T12:00:00Z","by":"anna","plan":"line 4","heard_at":"2026-03-10T13:00:00Z","from":"mirror-b"},"bytes":9,"objects":3,"rules":'$rules',"people":[],"requests":[],"weaker":[{"number":7,"rules":'$rules',"by":"anna","from":null}],"withdrawn":[{"id":"WITHDRAWN","time":"2026-01-01T00:00:00Z","asset":"mill","files":1,"bytes":7,"deleted_at":"2026-02-01T00:00:00Z","until":"2026-02-08T00:00:00Z","here":true}],"targets":[{"address":"s3:https://store/plant","mode":"compliance","tried_at":"2026-02-01T00:00:00Z","copied_at":"2026-02-01T00:00:00Z","entries":2,"snapshots":1,"objects":12,"bytes":9,"locked_until":"2026-03-01T00:00:00Z","held":false,"covered":["log/checkpoint"],"missing":[],"gone":[],"notes":[],"error":null}],"snapshots":[{"id":"SNAPSHOT","time":"2026-01-01T00:00:00Z","asset":"press","sources":["files:/x"],"state":"complete","files":1,"bytes":7,"retain_until":null,"holds":[],"verified_at":null,"logged":true}]}' ;;
*'"kind":"own-folders"'*) answer='{"folders":["/host/data"]}' ;;
*'files:/broken'*) answer='{"snapshot":null,"state":"partial","entries_stored":0,"bytes_read":0,"bytes_stored":0,"errors":[{"source":"files:/broken","path":"/broken","error":"permission denied"}]}' ;;
*'"kind":"backup"'*) answer='{"snapshot":"SNAPSHOT","state":"complete","entries_stored":1,"bytes_read":7,"bytes_stored":5,"errors":[]}' ;;
*'"kind":"undelete"'*) answer='{"snapshot":"WITHDRAWN","until":"2026-03-01T00:00:00Z"}' ;;
*'"kind":"copy"'*'s3:https://broken'*) echo '{"says":"failed","why":"no route to the store"}'; exit 1 ;;
*'"kind":"copy"'*'s3:https://touched'*) answer='{"files":3,"bytes":9,"whole":true,"standing":{"covered":["log/checkpoint"],"gone":[]},"errors":[{"source":"s3:https://touched","path":"log/checkpoint","error":"somebody put something on top"}]}' ;;
*'"kind":"copy"'*) answer='{"files":3,"bytes":9,"whole":true,"errors":[]}' ;;
*'"kind":"verify"'*) answer='{"level":2,"files":1,"bytes":7,"errors":[]}' ;;
*'nonsense'*) answer='{"wrong":"it is nonsense"}' ;;
*'"kind":"outline"'*) answer='{"name":"line 4","about":"","problems":["no people"],"steps":[{"group":"a","title":"look","kind":"manual"}],"rto_target_ms":null,"rpo_target_ms":null,"canaries":false}' ;;
*'"kind":"drill"'*)
  drill='"id":"d1","plan":"line 4","attended":true,"declared_at":null,"planned":[],"steps":[],"current":null,"rto_target_ms":null,"rpo_ms":null,"rpo_target_ms":null,"canaries":[],"snapshots":[],"isolation":null,"notes":[],"log_entry":3'
  wait='{"step":"a / look","text":"look","role":"shift lead","people":null,"given":[]}'
  echo '{"says":"drill","drill":{'$drill',"ok":null,"rto_ms":null,"waiting":'$wait'}}'
  read said
  case "$said" in *'"by":"ad"'*'"approves":false'*) ;; *) echo '{"says":"failed","why":"nobody"}'; exit 1 ;; esac
  answer='{"errors":[],"files":1,"bytes":2,"page":"<!doctype html>","drill":{'$drill',"ok":true,"rto_ms":1200,"waiting":null}}' ;;
*) echo '{"says":"failed","why":"not in this test"}'; exit 1 ;;
esac
echo '{"says":"done","answer":'$answer'}'
