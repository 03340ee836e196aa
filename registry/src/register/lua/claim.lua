-- ARGV: the role, and for each hash its value; without values, the role goes.
local role, answer = ARGV[1], {}
local refusal = refused(books)
if refusal then return refusal end
for n, it in ipairs(books) do
  local value, alive = ARGV[1 + n], {}
  local lines = held_of(it, role)
  local now = clock()
  for _, one in ipairs(lines) do
    local at = ends(it, one.field)
    if at and at > now then alive[#alive + 1] = one.field end
  end
  local changed, gone = false, {}
  if value then changed = draft(it, role, value) end
  for _, field in ipairs((walk(it, role))) do
    if field ~= role or not value then
      gone[#gone + 1] = field
      note(it, field, false, -1)
    end
  end
  commit(it, VERB, { role })
  forget(it, lines)
  answer[n] = { (changed or #gone > 0) and 1 or 0, gone, alive }
end
return answer
