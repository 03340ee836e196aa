-- ARGV: the role, the member, the holder's nonce, and whether it keeps the last: `keep` or `remove`.
-- It holds the role no more, and stands by no more. Answers for each hash what came of it.
local role, field, keep, answer, now = ARGV[1], ARGV[1] .. '/' .. ARGV[2], ARGV[4] == 'keep', {}, clock()
local changes = false
for n, it in ipairs(books) do
  local one = record(it, field)
  if one and one.nonce == ARGV[3] and one.state == 'kept' then
    -- The answer to a first attempt was lost.
    answer[n] = 'kept'
  elseif one and one.nonce == ARGV[3] then
    it.mine, one.field = one, field
    local last = keep and holds(one)
    for _, other in ipairs(last and everybody(it) or {}) do
      if other.field ~= field and holds(other) and runs(other, now) then last = false end
    end
    if last and value_of(it, field) == one.value then
      answer[n] = 'kept'
    else
      answer[n] = holds(one) and 'removed' or 'absent'
      if holds(one) then withdraw(it, { one }) end
    end
    changes = changes or it.draft
  else
    answer[n] = 'absent'
  end
end
local refusal = changes and refused(books)
if refusal then return refusal end
for n, it in ipairs(books) do
  local one = it.mine
  if one then
    forget(it, { one })
    if answer[n] == 'kept' then
      -- Whoever renews next finds it, before all others.
      one.state, one.text = 'kept', nil
      remember(it, field, one)
      call('ZADD', it.times, 0, field)
      local bound = tonumber(one.bound)
      if bound then call('ZADD', it.expiring, whole(now + bound), field) end
    end
    local term = term_of(it, role)
    if term and term.field == field then
      begin_term(it, role, { number = term.number, verb = VERB, by = BY, field = '' }, now)
    end
    commit(it, VERB)
  end
end
return answer
