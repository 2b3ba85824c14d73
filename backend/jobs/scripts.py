"""The steps that must be atomic, as Lua: several web processes and workers take them at once.

Whether somebody still cares for a claim is read from the job that carries it, not guessed from its age: it
holds while that job waits, runs or is to be retried, however long that takes, and ends with it. A new claim
is given a few seconds in which its job has not been written yet.
"""

_ALIVE = """
local GRACE_S = 30
local function now() local t = redis.call('TIME'); return tonumber(t[1]) + tonumber(t[2]) / 1e6 end
local function job_lives(job_key, since, time)
  if time - since < GRACE_S then return true end
  local status = redis.call('HGET', job_key, 'status')
  return status == 'queued' or status == 'started' or status == 'scheduled' or status == 'deferred'
end
"""

_SET_TASK = """
local function set_task(task_id, entry, time)
  local old = redis.call('HGET', KEYS[2], task_id)
  if old then redis.call('HINCRBY', KEYS[3], cjson.decode(old).state, -1) end
  redis.call('HINCRBY', KEYS[3], entry.state, 1)
  redis.call('HSET', KEYS[2], task_id, cjson.encode(entry))
  redis.call('ZADD', KEYS[4], time, task_id)
  local function list(key, belongs)
    if belongs then redis.call('ZADD', key, time, task_id) else redis.call('ZREM', key, task_id) end
  end
  list(KEYS[5], entry.state == 'failed')
  list(KEYS[6], entry.limits)
end
local function keep(project_id, ttl, time)
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -201)
  for i = 1, 6 do redis.call('EXPIRE', KEYS[i], ttl) end
  redis.call('ZADD', KEYS[7], time, project_id)
end
"""

# KEYS: the sync token. ARGV: prefix of job keys, new job id, seconds to live.
# Returns 1 if the new job is to be queued.
CLAIM_SYNC = (
    _ALIVE
    + """
local time = now()
local waiting = redis.call('GET', KEYS[1])
if waiting then
  local job_id, since = string.match(waiting, '^(%S+) (%S+)$')
  if job_lives(ARGV[1] .. job_id, tonumber(since), time) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. string.format('%.3f', time), 'EX', ARGV[3])
return 1
"""
)

# KEYS: ProjectKeys.of_tasks. ARGV: project id, model version, seconds to live, prefix of job keys, first part
# of the new job ids, tasks per job, whether failed tasks are queued again (0 or 1), task ids.
# Returns the claimed task ids.
CLAIM_TASKS = (
    _ALIVE
    + _SET_TASK
    + """
if redis.call('HGET', KEYS[1], 'model_version') ~= ARGV[2] then return {} end
local time = now()
local claimed = {}
local function is_free(task_id)
  local entry = redis.call('HGET', KEYS[2], task_id)
  if not entry then return true end
  entry = cjson.decode(entry)
  if entry.state == 'queued' or entry.state == 'processing' then
    return not job_lives(ARGV[4] .. tostring(entry.job), entry.at, time)
  end
  return entry.state ~= 'failed' or ARGV[7] == '1'
end
for i = 8, #ARGV do
  if is_free(ARGV[i]) then
    local job = ARGV[5] .. '-' .. math.floor(#claimed / tonumber(ARGV[6]))
    claimed[#claimed + 1] = ARGV[i]
    set_task(ARGV[i], {state = 'queued', job = job, at = time}, time)
  end
end
if #claimed > 0 then keep(ARGV[1], ARGV[3], time) end
return claimed
"""
)

# KEYS: ProjectKeys.of_tasks. ARGV: project id, model version, seconds to live, task id, JSON of the state.
# Returns 1, or 0 if the project has moved on to another generation.
RECORD_TASK = (
    _ALIVE
    + _SET_TASK
    + """
if redis.call('HGET', KEYS[1], 'model_version') ~= ARGV[2] then return 0 end
local time = now()
local entry = cjson.decode(ARGV[5])
local old = redis.call('HGET', KEYS[2], ARGV[4])
entry.job = old and cjson.decode(old).job or nil
entry.at = time
set_task(ARGV[4], entry, time)
keep(ARGV[1], ARGV[3], time)
return 1
"""
)

# KEYS: ProjectKeys.of_tasks. ARGV: task ids.
REMOVE_TASKS = """
for i = 1, #ARGV do
  local old = redis.call('HGET', KEYS[2], ARGV[i])
  if old then redis.call('HINCRBY', KEYS[3], cjson.decode(old).state, -1) end
  redis.call('HDEL', KEYS[2], ARGV[i])
  for key = 4, 6 do redis.call('ZREM', KEYS[key], ARGV[i]) end
end
return #ARGV
"""

# KEYS: ProjectKeys.of_tasks. ARGV: project id, seconds to live, model version ('' for none), pairs of fields.
# Returns 1 if the model version changed; then the states of the tasks under the old one are dropped.
SET_PROJECT = (
    _ALIVE
    + """
local time = now()
local changed = (redis.call('HGET', KEYS[1], 'model_version') or '') ~= ARGV[3]
if changed then redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]) end
local synced_at = string.format('%.3f', time)
redis.call('HSET', KEYS[1], 'model_version', ARGV[3], 'synced_at', synced_at, unpack(ARGV, 4))
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[7], time, ARGV[1])
return changed and 1 or 0
"""
)
