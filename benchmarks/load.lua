-- What wrk asks, and how it tells what it measured: one line of JSON.
--   wrk -s load.lua URL -- FILE FIRST PAUSE
-- Each line of FILE is a header of a request, "Authorization: Bearer …"; they are used in turn, from line FIRST + 1 on.
-- Each connection pauses PAUSE milliseconds after an answer.
local requests, place = {}, 0

function init(arguments)
  local name, value
  for line in io.lines(arguments[1]) do
    name, value = line:match("^([^:]+): (.*)$")
    requests[#requests + 1] = wrk.format("GET", nil, {[name] = value})
  end
  if #requests == 1 then
    wrk.headers[name] = value -- without a function for it, wrk asks the same again and again, which costs it less
  elseif #requests > 1 then
    place = tonumber(arguments[2]) % #requests
    function request()
      place = place % #requests + 1
      return requests[place]
    end
  end
  local pause = tonumber(arguments[3])
  if pause > 0 then
    function delay() return pause end
  end
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.6f, "p99": %.6f, "worst": %.6f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    latency.max / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
