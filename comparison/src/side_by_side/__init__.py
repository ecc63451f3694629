"""Sessions and JWTs side by side: experiments against real processes, and the report of what they measured."""
