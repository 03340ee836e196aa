-- Holds a role, or stands by, or renews that.
-- ARGV: the role, the member; the holder's nonce, its lease, `shared` or `exclusive`, for how long
-- the last stays (ms, or `-`); and what it was told last: that it has `held` the role or was on
-- `standby`, or it is `new`; from when; 1 if it could not ask since then, and the term by which it
-- was ended, or 0. Then for each hash its value.
-- Answers its state; from when, or the term; who has the role; who ended it, by which verb, the
-- term by which; and for each hash whether it was changed, what the field was, and what is due.
local role, field = ARGV[1], ARGV[1] .. '/' .. ARGV[2]
local nonce, lease, exclusive, bound = ARGV[3], tonumber(ARGV[4]), ARGV[5] == 'exclusive', ARGV[6]
local told, known, interrupted, barred = ARGV[7], tonumber(ARGV[8]), ARGV[9] == '1', tonumber(ARGV[10])
local now, width, by, ended_by, ended_verb = clock(), window(lease), BY == '' and '-' or BY, '', ''
local GIVEN = 10

-- Since when this holder has watched the role without interruption, and from when it has been what
-- it is. These are the same for one that is new. Where it watches anew, nobody can have renewed later
-- than now: the clock was set back.
local function watch(it)
  local renewed = it.mine and tonumber(call('ZSCORE', it.times, field) or nil)
  local gap = renewed and now - renewed
  local term = it.term
  it.since, it.from = now, now
  if it.mine then
    it.from = it.record.from
  elseif known > 0 and not (term and term.number > known) then
    -- Redis has forgotten this holder: maybe others, too.
    it.from = known
  end
  if gap and gap >= 0 and gap <= INTERRUPTED * width and not interrupted then
    it.since = it.record.since
    return
  end
  for _, other in ipairs(call('ZRANGEBYSCORE', it.times, '(' .. whole(now), '+inf', 'LIMIT', 0, 1000)) do
    call('ZADD', it.times, whole(now), other)
  end
end

local function is_dead(it, one, patience)
  return dead(one, now - (patience or 0), it.since, width)
end

-- Who keeps this one from holding the role exclusively; nil if nobody does. Whom it succeeds is
-- added to those that are gone.
local function occupant(it)
  local term = it.term
  if it.mine and it.record.state == 'holder' and term and term.field == field then return nil end
  local claimed = call('HGET', it.hash, role)
  if claimed then return claimed end
  if term and term.number == barred then return '' end
  for _, one in ipairs(everybody(it)) do
    if one.field ~= field and holds(one) then
      -- A quarter more than its lease: for a clock of Redis that was set a little, and for what the
      -- holder has to stop.
      if not is_dead(it, one, math.max(one.lease, width) / 4) then return one.field end
      it.gone[#it.gone + 1] = one
    end
  end
  -- Who was interrupted may not know of a holder that Redis has forgotten: that one has a lease's
  -- time to be back.
  local mine = told == 'held' and (not term or term.number <= known)
  if not mine and it.since ~= it.from and now <= it.since + math.max(lease, width) then return '' end
end

-- Who holds the role exclusively, where this one wants to share it.
local function owner(it)
  local one = it.term and it.term.field ~= field and record(it, it.term.field)
  local renewed = one and tonumber(call('ZSCORE', it.times, it.term.field) or nil)
  if renewed and now <= renewed + one.lease then return it.term.field end
end

for n, it in ipairs(books) do
  it.value, it.was = ARGV[GIVEN + n], call('HGET', it.hash, field)
  it.record, it.term, it.gone, it.dead = record(it, field), term_of(it, role), {}, {}
  local one, term = it.record, it.term
  it.mine = one and one.nonce == nonce
  if it.mine and one.state == 'ended' then
    ended_by, ended_verb, barred = one.by, one.value, term and term.number or 0
    one.field = field
    forget(it, { one })
    it.record, it.mine = nil, nil
  elseif not it.mine and told == 'held' and term and term.number > known
    and term.verb ~= 'hold' and term.verb ~= 'end' then
    ended_by, ended_verb, barred = term.by, term.verb, term.number
  elseif one and not it.mine and one.state ~= 'kept' and one.state ~= 'ended'
    and (exclusive or told ~= 'new' or one.value ~= it.value) then
    -- A name that another holder has is not taken from it. Who is new and at the same address is
    -- the same machine once more.
    return { 'taken' }
  end
end
if ended_verb ~= '' and not exclusive then return { 'ended', 0, '', ended_by, ended_verb } end

local has, number, acquired = nil, now, false
for _, it in ipairs(books) do
  watch(it)
  if exclusive then
    has = has or occupant(it)
    acquired = acquired or not (it.mine and it.record.state == 'holder')
  elseif owner(it) then
    return redis.error_reply('ERR ' .. role .. ' is held exclusively, by ' .. owner(it))
  end
  if it.term then number = math.max(number, it.term.number + 1) end
  number = math.max(number, known + 1)
end

-- What the record says, and what changes in the hash with it.
local state = has and 'standby' or exclusive and 'holder' or 'member'
local forgotten, changes = exclusive and told == 'held', false
for _, it in ipairs(books) do forgotten = forgotten and not it.term end
for _, it in ipairs(books) do
  local one = it.record
  if state == 'holder' then it.from = acquired and (forgotten and known or number) or it.from end
  if state == 'member' and not it.mine then it.from = math.max(now, it.term and it.term.number or 0) end
  if has then
    it.gone = {}
    if it.mine and one.state == 'holder' then
      one.field = field
      withdraw(it, { one })
    end
  elseif it.was ~= it.value then
    note(it, field, it.value, it.was and 0 or 1)
  end
  -- Those who have not renewed for the width of the window; some of them, where there are many.
  local last = whole(now - width)
  local count = call('ZCOUNT', it.times, '(0', last)
  local from = count > BATCH and now % (count - BATCH + 1) or 0
  local silent = leases(it, call('ZRANGEBYSCORE', it.times, '(0', last, 'WITHSCORES', 'LIMIT', from, BATCH))
  local succeeded = {}
  for _, other in ipairs(it.gone) do succeeded[other.field] = true end
  for _, other in ipairs(silent) do
    local stays = has and other.state == 'holder' or succeeded[other.field]
    if other.field ~= field and not stays and is_dead(it, other) then it.dead[#it.dead + 1] = other end
  end
  -- What the last left behind goes with the next that holds the role.
  if not has then
    for _, other in ipairs(leases(it, call('ZRANGEBYSCORE', it.times, 0, 0, 'WITHSCORES', 'LIMIT', 0, BATCH))) do
      if other.field ~= field then it.gone[#it.gone + 1] = other end
    end
  end
  withdraw(it, it.gone)
  changes = changes or it.draft
end
-- A mere renewal does not touch the log, and does not ask for it.
local refusal = changes and refused(books)
if refusal then return refusal end

local answer = {}
for n, it in ipairs(books) do
  local changed, one = it.draft and it.was ~= it.value and not has, it.record or {}
  forget(it, it.gone)
  remember(it, field, { text = one.text, state = state, nonce = nonce, lease = lease, since = it.since,
    from = it.from, bound = bound, by = by, value = it.value })
  call('ZADD', it.times, whole(now), field)
  if bound ~= '-' and not has then
    call('ZADD', it.expiring, whole(now + lease + bound), field)
  end
  if state == 'holder' and acquired then
    begin_term(it, role, { number = it.from, verb = VERB, by = by, field = field }, now)
  elseif has and it.term and it.term.field == field then
    begin_term(it, role, { number = it.term.number, verb = 'end', by = by, field = '' }, now)
  end
  commit(it, VERB)
  bury(it, it.dead, role, now)
  local due = call('ZRANGEBYSCORE', it.expiring, '-inf', whole(now), 'LIMIT', 0, 1)
  answer[n] = { changed and 1 or 0, changed and it.was and { it.was } or {}, due }
end
local from = books[1].from
return { has and 'standby' or 'held', from, has or '', ended_by, ended_verb, barred, answer }
