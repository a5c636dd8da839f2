"use strict";
live.data["stability"] = {"minimum":[2.5,0.4],"start":[2.51,0.41],"steps":300};
