-- ARGV: the role, the member, and for each hash its value.
local role, field, answer = ARGV[1], ARGV[1] .. '/' .. ARGV[2], {}
local refusal = refused(books)
if refusal then return refusal end
for n, it in ipairs(books) do
  dispossess(it, role, field, clock())
  local changed = draft(it, field, ARGV[2 + n])
  commit(it, VERB)
  answer[n] = { changed and 1 or 0, {}, {} }
end
return answer
