-- ARGV: the role and the member. It is in the log even if the hash has no such field: who retains
-- it after a loss drops it then.
local role, field, answer = ARGV[1], ARGV[1] .. '/' .. ARGV[2], {}
local refusal = refused(books)
if refusal then return refusal end
for n, it in ipairs(books) do
  dispossess(it, role, field, clock())
  local gone = draft(it, field, false)
  if not gone then note(it, field, false, 0) end
  commit(it, VERB)
  answer[n] = { gone and 1 or 0, gone and { field } or {}, {} }
end
return answer
