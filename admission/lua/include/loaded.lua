-- Included where nothing may happen before Redis was loaded: without an epoch the other keys mean nothing.
if not epoch then
    return {'not_loaded'}
end
