"""The steps that must be atomic, as Lua: several web processes and workers take them at once.

Whether somebody still cares for a task is read from the job that carries it, not guessed from its age: a
claim holds while that job waits, runs or is to be retried, however long that takes, and ends with it. A new
claim is given a few seconds in which its job has not been written yet. A queued task without a job is in the
project's list of pending tasks; both are only ever changed together.

KEYS are ``ProjectKeys.of_tasks`` unless something else is said.
"""

_ALIVE = """
local GRACE_S = 30
local LIVES = {queued = true, started = true, scheduled = true, deferred = true}
local function now() local t = redis.call('TIME'); return tonumber(t[1]) + tonumber(t[2]) / 1e6 end
local function stamp(time) return string.format('%.3f', time) end
local function job_lives(job_key, since, time)
  local status = redis.call('HGET', job_key, 'status')
  if status then return LIVES[status] or false end
  return time - since < GRACE_S
end
"""

_TASKS = (
    _ALIVE
    + """
local PROJECT, TASKS, COUNTS, RECENT, FAILED, LIMITED, PENDING, CARRIERS, RUN, PROJECTS =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local function version() return redis.call('HGET', PROJECT, 'model_version') or '' end
local function read(task_id)
  local entry = redis.call('HGET', TASKS, task_id)
  return entry and cjson.decode(entry) or nil
end
local function is_open(entry) return entry.state == 'queued' or entry.state == 'processing' end
local function list(key, belongs, time, task_id)
  if belongs then redis.call('ZADD', key, time, task_id) else redis.call('ZREM', key, task_id) end
end
local function set_task(task_id, entry, time)
  local old = read(task_id)
  if old then redis.call('HINCRBY', COUNTS, old.state, -1) end
  redis.call('HINCRBY', COUNTS, entry.state, 1)
  redis.call('HSET', TASKS, task_id, cjson.encode(entry))
  list(RECENT, entry.state ~= 'queued' or entry.reason, time, task_id)
  list(FAILED, entry.state == 'failed', time, task_id)
  list(LIMITED, entry.limits, time, task_id)
end
local function remove_task(task_id, entry)
  redis.call('HINCRBY', COUNTS, entry.state, -1)
  redis.call('HDEL', TASKS, task_id)
  for _, key in ipairs({RECENT, FAILED, LIMITED}) do redis.call('ZREM', key, task_id) end
end
local function wait_again(task_id, entry, time)
  set_task(task_id, {state = 'queued', at = time, kills = entry.kills, reason = entry.reason}, time)
  redis.call('LPUSH', PENDING, task_id)
end
local function count(state) return tonumber(redis.call('HGET', COUNTS, state) or 0) end
-- What the run's state is now that tasks have changed theirs.
local function settle(time)
  local run = redis.call('HMGET', RUN, 'state', 'listing')
  local state, listing = run[1], run[2] == '1'
  if state ~= 'listing' and state ~= 'running' and state ~= 'finished' then return end
  local open = count('queued') + count('processing') > 0
  local new = state
  if not listing then new = open and 'running' or 'finished'
  elseif open and state == 'finished' then new = 'running' end
  if new == state then return end
  redis.call('HSET', RUN, 'state', new)
  if new == 'finished' then redis.call('HSET', RUN, 'ended_at', stamp(time))
  else
    redis.call('HDEL', RUN, 'ended_at')
    if state == 'finished' then redis.call('HSET', RUN, 'started_at', stamp(time)) end
  end
end
local function keep(project_id, ttl, time)
  settle(time)
  redis.call('ZREMRANGEBYRANK', RECENT, 0, -201)
  for i = 1, 9 do redis.call('EXPIRE', KEYS[i], ttl) end
  redis.call('ZADD', PROJECTS, time, project_id)
end
"""
)

# KEYS: the breaker, then queues, the most urgent first. Takes the next job id, if Label Studio is not down,
# and notes it as in between (as RQ does on a single queue), so that nothing is lost with the worker.
# Returns the queue's key and the job id, or nothing.
TAKE_JOB = """
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
for i = 2, #KEYS do
  local job_id = redis.call('LPOP', KEYS[i])
  if job_id then
    redis.call('RPUSH', KEYS[i] .. ':intermediate', job_id)
    return {KEYS[i], job_id}
  end
end
return false
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
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. stamp(time), 'EX', ARGV[3])
return 1
"""
)

# KEYS: the lock of a project's syncs, which holds a job id and more. ARGV: prefix of job keys, our job id.
# The lock of a job that does not run any more, or of an earlier attempt of ours, is free.
FREE_SYNC = """
local held = redis.call('GET', KEYS[1])
local job = held and string.match(held, '^(%S+) ')
if job and (job == ARGV[2] or redis.call('HGET', ARGV[1] .. job, 'status') ~= 'started') then
  return redis.call('DEL', KEYS[1])
end
return 0
"""

# ARGV: project id, seconds to live, model version, prefix of job keys, whether failed tasks are queued again
# (0 or 1), time at which Label Studio was seen without a prediction of these tasks (or ''), first part of the
# new job ids ('' for a bulk run, whose tasks become pending), tasks per job, task ids.
# A bulk run leaves alone what is on its way; anything more urgent takes over what a bulk run has not begun.
# A page of the task list that was under way when the run was cancelled queues nothing.
# Returns the claimed task ids.
CLAIM_TASKS = (
    _TASKS
    + """
local SETTLED_S = 10
local project_id, ttl, prefix, retry_failed, first = ARGV[1], ARGV[2], ARGV[4], ARGV[5] == '1', ARGV[7]
local seen_at, tasks_per_job = tonumber(ARGV[6]), tonumber(ARGV[8])
local bulk = first == ''
if version() ~= ARGV[3] then return {} end
if seen_at and redis.call('HGET', RUN, 'state') == 'cancelled' then return {} end
local time = now()
local function is_free(entry)
  if entry.state == 'failed' then return retry_failed end
  if not is_open(entry) then return entry.at < (seen_at or time - SETTLED_S) end
  if not entry.job then return not bulk end
  if not job_lives(prefix .. entry.job, entry.at, time) then return true end
  return not bulk and entry.state == 'queued' and string.sub(entry.job, 1, 8) == 'predict-'
end
local claimed, carriers = {}, {}
for i = 9, #ARGV do
  local task_id, entry = ARGV[i], read(ARGV[i])
  if not entry or is_free(entry) then
    local job = not bulk and first .. '-' .. math.floor(#claimed / tasks_per_job) or nil
    claimed[#claimed + 1] = task_id
    local kills = entry and is_open(entry) and entry.kills or nil
    set_task(task_id, {state = 'queued', job = job, at = time, kills = kills}, time)
    if bulk then redis.call('RPUSH', PENDING, task_id)
    else
      carriers[job] = carriers[job] or {}
      table.insert(carriers[job], task_id)
    end
  end
end
for job, tasks in pairs(carriers) do
  redis.call('HSET', CARRIERS, job, cjson.encode({at = time, tasks = tasks}))
end
if #claimed > 0 then keep(project_id, ttl, time) end
return claimed
"""
)

# ARGV: project id, seconds to live, prefix of job keys, first part of the new job ids, fewest and most tasks
# per job, seconds that a job is to take, most jobs of a bulk run at a time, pending tasks below which the
# next page of the task list is wanted.
# Jobs are large where tasks are quick, for then the job itself costs most, and small where few tasks are
# left, so that all workers have some.
# Returns the model version, the id of the job that is to list the next page ('' for none), and for each job
# that is to be queued its id followed by its tasks, as JSON.
FEED = (
    _TASKS
    + """
local project_id, ttl, prefix, first = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local fewest, most, job_s = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local most_jobs, short = tonumber(ARGV[8]), tonumber(ARGV[9])
local PAUSING_PER_JOB = 25
local time = now()
local jobs, pausing = 0, 0
local carriers = redis.call('HGETALL', CARRIERS)
for i = 1, #carriers, 2 do
  local job, carrier = carriers[i], cjson.decode(carriers[i + 1])
  if job_lives(prefix .. job, carrier.at, time) then
    if carrier.bulk then
      if redis.call('HGET', prefix .. job, 'status') == 'scheduled' then pausing = pausing + 1
      else jobs = jobs + 1 end
    end
  else
    redis.call('HDEL', CARRIERS, job)
    for _, task_id in ipairs(carrier.tasks) do
      local entry = read(task_id)
      if entry and is_open(entry) and entry.job == job then wait_again(task_id, entry, time) end
    end
  end
end
local pace = tonumber(redis.call('HGET', PROJECT, 'pace') or math.huge)
local in_time = pace > 0 and math.ceil(job_s / pace) or most
local function tasks_per_job()
  local each = math.ceil(redis.call('LLEN', PENDING) / most_jobs)
  return math.min(most, math.max(fewest, math.min(in_time, each)))
end
local made = {}
local function next_tasks(job)
  local tasks, wanted = {}, tasks_per_job()
  while #tasks < wanted do
    local task_id = redis.call('LPOP', PENDING)
    if not task_id then break end
    local entry = read(task_id)
    if entry and entry.state == 'queued' and not entry.job then
      entry.job, entry.at = job, time
      redis.call('HSET', TASKS, task_id, cjson.encode(entry))
      table.insert(tasks, task_id)
    end
  end
  return tasks
end
-- Jobs that wait to be tried again leave their place to others, as long as they are not too many.
while jobs < most_jobs and pausing < PAUSING_PER_JOB * most_jobs do
  local job = 'predict-' .. first .. '-' .. #made
  local tasks = next_tasks(job)
  if #tasks == 0 then break end
  redis.call('HSET', CARRIERS, job, cjson.encode({at = time, bulk = true, tasks = tasks}))
  table.insert(made, cjson.encode({job, tasks}))
  jobs = jobs + 1
end
local list_job = ''
local run = redis.call('HMGET', RUN, 'listing', 'job', 'job_at')
if run[1] == '1' and redis.call('LLEN', PENDING) < short
    and not (run[2] and job_lives(prefix .. run[2], tonumber(run[3]), time)) then
  list_job = 'list-' .. first
  redis.call('HSET', RUN, 'job', list_job, 'job_at', stamp(time))
end
if #made > 0 or list_job ~= '' then keep(project_id, ttl, time) end
return {version(), list_job, unpack(made)}
"""
)

# ARGV: model version, task id, job id.
# Returns 'taken' if the job is to work on the task now, 'elsewhere' if it is not this job's any more, or
# 'stale' if the project has moved on to another generation.
TAKE_TASK = (
    _TASKS
    + """
if version() ~= ARGV[1] then return 'stale' end
local entry = read(ARGV[2])
if not entry or not is_open(entry) or entry.job ~= ARGV[3] then return 'elsewhere' end
local time = now()
set_task(ARGV[2], {state = 'processing', job = entry.job, at = time, kills = entry.kills}, time)
return 'taken'
"""
)

# ARGV: project id, model version, seconds to live, seconds that computing one of these tasks took ('' for
# none), pairs of a task id and the JSON of its state.
# The project's pace is these seconds, of the last tasks, the last ones counting most.
# Returns 1, or 0 if the project has moved on to another generation.
RECORD_TASKS = (
    _TASKS
    + """
if version() ~= ARGV[2] then return 0 end
local WEIGHT = 0.2
local time = now()
for i = 5, #ARGV, 2 do
  local entry, old = cjson.decode(ARGV[i + 1]), read(ARGV[i])
  if old then entry.job = old.job end
  if old and is_open(entry) then entry.kills = old.kills end
  entry.at = time
  set_task(ARGV[i], entry, time)
end
local took = tonumber(ARGV[4])
if took then
  local pace = tonumber(redis.call('HGET', PROJECT, 'pace') or took)
  redis.call('HSET', PROJECT, 'pace', stamp(pace + WEIGHT * (took - pace)))
end
keep(ARGV[1], ARGV[3], time)
return 1
"""
)

# ARGV: project id, model version, seconds to live, job id, whether it is tried again in any case (0 or 1),
# how often a task is blamed until it is set aside, reason of the tasks that wait again, of those that have
# failed with the job, of the one that is set aside; then the job's task ids.
# Of the tasks in hand the last one taken is blamed for what happened to the job. Then the others wait again:
# as each may be blamed a few times only, that ends.
# Returns the id of the task that is blamed, or '', 1 if it was set aside, and how many tasks have failed now.
BLAME = (
    _TASKS
    + """
if version() ~= ARGV[2] then return {'', 0, 0} end
local time, again, most = now(), ARGV[5] == '1', tonumber(ARGV[6])
local blamed, blamed_at, aside, failed = nil, -1, 0, 0
for i = 10, #ARGV do
  local entry = read(ARGV[i])
  if entry and entry.state == 'processing' and entry.job == ARGV[4] and entry.at >= blamed_at then
    blamed, blamed_at = ARGV[i], entry.at
  end
end
for i = 10, #ARGV do
  local entry = read(ARGV[i])
  if entry and is_open(entry) and entry.job == ARGV[4] then
    local kills = (entry.kills or 0) + (ARGV[i] == blamed and 1 or 0)
    local new = {job = entry.job, at = time, kills = kills}
    if kills >= most and ARGV[i] == blamed then new.state, new.reason, aside = 'failed', ARGV[9], 1
    elseif not again and not blamed then new.state, new.reason = 'failed', ARGV[8]
    else new.state, new.reason = 'queued', entry.state == 'processing' and ARGV[7] or entry.reason end
    if new.state == 'failed' then failed = failed + 1 end
    set_task(ARGV[i], new, time)
  end
end
keep(ARGV[1], ARGV[3], time)
return {blamed or '', aside, failed}
"""
)

# ARGV: task ids.
REMOVE_TASKS = (
    _TASKS
    + """
for i = 1, #ARGV do
  local entry = read(ARGV[i])
  if entry then remove_task(ARGV[i], entry) end
end
settle(now())
return #ARGV
"""
)

# ARGV: project id, seconds to live, model version ('' for none), pairs of fields.
# Returns 1 if the model version changed; then the run under the old one is dropped with all its tasks.
SET_PROJECT = (
    _TASKS
    + """
local time = now()
local changed = version() ~= ARGV[3]
if changed then redis.call('UNLINK', TASKS, COUNTS, RECENT, FAILED, LIMITED, PENDING, CARRIERS) end
if changed or ARGV[3] == '' then redis.call('UNLINK', RUN) end
redis.call('HSET', PROJECT, 'model_version', ARGV[3], 'synced_at', stamp(time), unpack(ARGV, 4))
redis.call('EXPIRE', PROJECT, ARGV[2])
redis.call('ZADD', PROJECTS, time, ARGV[1])
return changed and 1 or 0
"""
)

# ARGV: project id, seconds to live. A person asks for the run, whatever became of the last one.
ASK_FOR_RUN = (
    _TASKS
    + """
local time = now()
redis.call('HSET', RUN, 'state', 'waiting', 'asked_at', stamp(time), 'listing', '0')
redis.call('HDEL', RUN, 'ended_at', 'reason')
keep(ARGV[1], ARGV[2], time)
return 1
"""
)

# ARGV: project id, seconds to live, model version. A sync found the references: the task list is to be read,
# from its start; after the pages that are to come, if it is being read.
# Returns 1, or 0 if the run was cancelled or the project has moved on.
BEGIN_LISTING = (
    _TASKS
    + """
local state = redis.call('HGET', RUN, 'state')
if version() ~= ARGV[3] or state == 'cancelled' then return 0 end
local time = now()
if redis.call('HGET', RUN, 'listing') == '1' then redis.call('HSET', RUN, 'again', '1')
else redis.call('HSET', RUN, 'listing', '1', 'cursor', '0') end
if not (state == 'listing' or state == 'running' or state == 'finished') then
  redis.call('HSET', RUN, 'state', 'listing', 'started_at', stamp(time))
  redis.call('HDEL', RUN, 'ended_at', 'reason')
end
keep(ARGV[1], ARGV[2], time)
return 1
"""
)

# ARGV: project id, seconds to live, model version, tasks that have a prediction of it.
NOTE_STORED = (
    _TASKS
    + """
if version() ~= ARGV[3] or count('processing') > 0 then return 0 end
local before = tonumber(ARGV[4]) - count('done') - count('empty')
redis.call('HSET', RUN, 'before', math.max(0, before))
keep(ARGV[1], ARGV[2], now())
return 1
"""
)

# ARGV: project id, seconds to live, model version, cursor before the page, cursor after it, tasks behind it.
# Returns 1, or 0 if the page no longer matters.
NOTE_PAGE = (
    _TASKS
    + """
if version() ~= ARGV[3] or redis.call('HGET', RUN, 'listing') ~= '1' then return 0 end
if redis.call('HGET', RUN, 'cursor') ~= ARGV[4] then return 0 end
redis.call('HSET', RUN, 'cursor', ARGV[5], 'left', ARGV[6])
if ARGV[6] == '0' then
  if redis.call('HGET', RUN, 'again') == '1' then redis.call('HSET', RUN, 'cursor', '0', 'again', '0')
  else redis.call('HSET', RUN, 'listing', '0') end
end
keep(ARGV[1], ARGV[2], now())
return 1
"""
)

# ARGV: project id, seconds to live, state ('cancelled' or 'failed'), reason, most tasks to drop at a time.
# What a bulk run has not begun is dropped.
# Returns how many tasks were dropped, and 1 if there may be more.
END_RUN = (
    _TASKS
    + """
local time, dropped, most = now(), 0, tonumber(ARGV[5])
redis.call('HSET', RUN, 'state', ARGV[3], 'reason', ARGV[4], 'listing', '0', 'left', '0')
redis.call('HSET', RUN, 'ended_at', stamp(time))
local function drop(task_id, job)
  local entry = read(task_id)
  if entry and entry.state == 'queued' and entry.job == job then
    remove_task(task_id, entry)
    dropped = dropped + 1
  end
end
local popped = 0
while popped < most do
  local task_id = redis.call('LPOP', PENDING)
  if not task_id then break end
  popped = popped + 1
  drop(task_id, nil)
end
local carriers = redis.call('HGETALL', CARRIERS)
for i = 1, #carriers, 2 do
  local carrier = cjson.decode(carriers[i + 1])
  if carrier.bulk then
    for _, task_id in ipairs(carrier.tasks) do drop(task_id, carriers[i]) end
  end
end
keep(ARGV[1], ARGV[2], time)
return {dropped, popped == most and 1 or 0}
"""
)
