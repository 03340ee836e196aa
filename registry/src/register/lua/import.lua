-- KEYS[5]: a hash of what is imported. ARGV: whether everything else goes, `replace` or `merge`.
-- Answers how many fields are not as they were; nil where that was not counted.
local it, staged, replace = books[1], KEYS[5], ARGV[1] == 'replace'
local drops = replace and { '*' } or nil

-- Above so many fields what differs is not sought; it takes about 0.2 s at that many.
local COMPARABLE = 100000

-- Calls `each` with fields and values of a hash, page by page, until it has had enough.
local function pages(key, each)
  local cursor, enough = '0', false
  repeat
    local scanned = call('HSCAN', key, cursor, 'COUNT', 1000)
    cursor = scanned[1]
    enough = each(scanned[2])
  until cursor == '0' or enough
end

-- Drafts what differs, until that is too much for an entry; whether it is not.
local function compared()
  local lengths = call('HLEN', staged) + (replace and call('HLEN', it.hash) or 0)
  if lengths > COMPARABLE then return false end
  local new = {}
  local function too_many() return it.order and #it.order > MAX_OPERATIONS end
  pages(staged, function(page)
    for at = 1, #page, 2 do
      new[page[at]] = true
      draft(it, page[at], page[at + 1])
    end
    return too_many()
  end)
  if replace and not too_many() then
    pages(it.hash, function(page)
      for at = 1, #page, 2 do
        if not new[page[at]] then draft(it, page[at], false) end
      end
      return too_many()
    end)
  end
  return not too_many()
end

local refusal = refused(books)
if refusal then return refusal end
if compared() then
  local count = it.order and #it.order or 0
  commit(it, VERB, drops)
  return count
end
append(it, VERB, replace and { '.drop', '*', '.reset', '' } or { '.reset', '' })
if not replace then
  pages(staged, function(page) portions('HSET', it.hash, page) end)
elseif call('HLEN', staged) > 0 then
  call('RENAME', staged, it.hash)
else
  call('DEL', it.hash)
end
return nil
