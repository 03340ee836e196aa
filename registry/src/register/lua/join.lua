-- ARGV: the role, the member, and for each hash its value.
local role, field, answer = ARGV[1], ARGV[1] .. '/' .. ARGV[2], {}
local refusal = refused(books)
if refusal then return refusal end
for n, it in ipairs(books) do
  local changed = draft(it, field, ARGV[2 + n])
  local superseded = supersede(it, role, field, false)
  commit(it, VERB)
  forget(it, held_as(it, field))
  forget(it, superseded)
  answer[n] = { changed and 1 or 0, {}, {} }
end
return answer
